/**
 * A process that holds one guest, for tests that end such a process from outside. Tells over IPC `running` and
 * `exited`; takes `close`.
 *
 *   node host.ts '{"command": "sleep", "args": ["60"]}'
 */
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import { consume, specOf } from './job.ts';

const guest = await new NamespaceEngine().prepare(specOf(JSON.parse(process.argv[2] ?? '{}')));
consume(guest);
process.on('message', () => void guest.close().then(() => process.disconnect?.()));
await guest.run();
process.send?.({ running: true });
process.send?.({ exited: await guest.exited });
