/** mockttp with `thenPassThrough` and listeners that write JSON lines, in a process of its own on the Node that runs the benchmark. */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { MARK } from '../origin.ts';
import { countLines } from '../record-lines.ts';
import { ServerProcess, freePort } from '../server-process.ts';
import type { Contender, Setting } from './contender.ts';

const SERVER = fileURLToPath(new URL('./mockttp-server.ts', import.meta.url));

export async function startMockttp(setting: Setting): Promise<Contender> {
  const { directory, files } = setting;
  const record = join(directory, 'flows.jsonl');
  const port = await freePort();
  const server = new ServerProcess({ name: 'mockttp', command: process.execPath, args: ['--disable-warning=ExperimentalWarning', SERVER, String(port), files.authority, record, directory], cwd: directory });
  await server.listens(port);
  return {
    name: 'mockttp',
    records: 'JSONL with bodies (listeners)',
    directory,
    port,
    process: server,
    recorded: () => countLines(record, MARK),
    async close() {
      await server.stop();
      return [];
    },
  };
}
