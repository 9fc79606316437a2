/**
 * A process that runs one guest, for a test that starts it as another user.
 *
 *   node host.ts FOLDER-OF-KERNELS COMMAND…
 */
import { QemuEngine } from '../../../../plugins/engines/qemu/engine.ts';
import { consume, specOf } from '../../../engines/job.ts';

const [home = '', command = '', ...args] = process.argv.slice(2);
const guest = await new QemuEngine({ home, kernel: null }).prepare(specOf({ command, args, limits: { cpus: 1, memoryMiB: 256 } }));
consume(guest);
await guest.run();
const { code } = await guest.exited;
await guest.close();
process.exitCode = code;
