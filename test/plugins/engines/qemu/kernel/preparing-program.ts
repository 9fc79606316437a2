/** Prepares the kernel of the tests in a home and makes it the current one, as a process that can be killed: HOME VMLINUZ MODULES BUSYBOX. */
import { KernelStore } from '../../../../../plugins/engines/qemu/kernel/store.ts';

const [home, file, modules, busybox] = process.argv.slice(2) as [string, string, string, string];
const store = new KernelStore(home);
const kept = store.keepBusybox({ file: busybox, origin: 'a test' });
process.stdout.write('begun\n');
const { kernel } = await store.prepare({ file, modules, origin: 'a test' }, kept);
store.choose(kernel);
process.stdout.write(`${kernel.key}\n`);
