/**
 * A process that holds one guest, for tests that end such a process from outside or give it streams of their own. Tells
 * over IPC, where it has it, `running`, `exited` and `closed`, and takes `close`; without it ends with the guest's exit code.
 *
 *   node host.ts qemu '{"command": "sleep", "args": ["60"], "stdio": [0, 1, 2]}'
 */
import { engineNamed } from './engines.ts';
import { consume, specOf } from './job.ts';

const engine = engineNamed(process.argv[2]);
const guest = await (await engine.make()).prepare(specOf({ limits: engine.limits, ...(JSON.parse(process.argv[3] ?? '{}') as object) }));
consume(guest);
let packetBytes = 0;
guest.packets?.stream.on('data', (chunk: Buffer) => (packetBytes += chunk.length));
process.on('message', () => void guest.close().then(() => process.send?.({ closed: true, packetBytes }, () => process.disconnect?.())));
await guest.run();
process.send?.({ running: true });
const exit = await guest.exited;
process.send?.({ exited: exit });
if (process.send === undefined) {
  await guest.close();
  process.exitCode = exit.code;
}
