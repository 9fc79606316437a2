/** mitmproxy as Debian packages it, without its console, with an addon that writes JSON lines. */
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { MARK } from '../origin.ts';
import { countLines } from '../record-lines.ts';
import { ServerProcess, freePort } from '../server-process.ts';
import type { Contender, Setting } from './contender.ts';

const ADDON = fileURLToPath(new URL('./mitmproxy_jsonl.py', import.meta.url));

export async function startMitmproxy(setting: Setting): Promise<Contender> {
  const { directory, files } = setting;
  const record = join(directory, 'flows.jsonl');
  const port = await freePort();
  const options = [`confdir=${join(directory, 'conf')}`, `ssl_verify_upstream_trusted_ca=${files.authority}`, 'flow_detail=0', 'termlog_verbosity=error'];
  const process = new ServerProcess({
    name: 'mitmproxy',
    command: 'mitmdump',
    args: ['--quiet', '--listen-host', '127.0.0.1', '--listen-port', String(port), '--scripts', ADDON, ...options.flatMap((option) => ['--set', option])],
    cwd: directory,
    env: { BENCH_RECORD: record },
  });
  await process.listens(port);
  return {
    name: 'mitmproxy',
    records: 'JSONL with bodies (addon)',
    directory,
    port,
    process,
    recorded: () => countLines(record, MARK),
    async close() {
      await process.stop();
      return [];
    },
  };
}
