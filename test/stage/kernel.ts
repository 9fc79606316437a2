/** A kernel for tests of the QEMU engine, fetched and set up once for this checkout. */
import { closeSync, existsSync, globSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KernelStore } from '../../plugins/engines/qemu/kernel/store.ts';
import { Debian } from '../../plugins/engines/qemu/setup/debian.ts';
import { KernelSetup } from '../../plugins/engines/qemu/setup/kernel-setup.ts';

const CACHE = join(import.meta.dirname, '../../.cache');
const HOME = join(CACHE, 'qemu');
const PACKAGES = join(CACHE, 'qemu-packages');
const LOCK = join(CACHE, 'qemu.lock');
const WAIT_LIMIT_MS = 300_000;

export interface TestPackages {
  readonly vmlinuz: string;
  /** `lib/modules/<release>` */
  readonly modules: string;
  readonly release: string;
  readonly busybox: string;
}

/**
 * The engine's home with a kernel that guests can boot: what `$MENTU_HOME/engines/qemu` is for a user. It is set up where
 * it is not there yet, is damaged or is that of another state of the sources. Tests do not change it.
 */
export async function testKernelHome(): Promise<string> {
  const store = new KernelStore(HOME);
  if (store.state().kernel !== null) return HOME;
  const { vmlinuz, busybox } = await testPackages();
  return locked(async () => {
    if (store.state().kernel !== null) return HOME;
    store.keepBusybox({ file: busybox, origin: 'Debian package busybox-static' });
    const nothing = (): void => undefined;
    await Debian.within(HOME, nothing, (debian) => new KernelSetup({ store, debian, say: nothing, trial: async () => null, hostKernels: vmlinuz }).run(null));
    return HOME;
  });
}

/** Debian's packages of a kernel and busybox, unpacked. Tests do not change them. */
export async function testPackages(): Promise<TestPackages> {
  if (!existsSync(PACKAGES)) {
    await locked(async () => {
      if (existsSync(PACKAGES)) return;
      await Debian.within(join(CACHE, 'qemu-fetch'), () => undefined, async (debian) => {
        const kernel = await debian.unpackDependency('linux-image-cloud-amd64', /^linux-image-\d\S*-amd64$/);
        const { folder } = await debian.unpack('busybox-static');
        renameSync(folder, join(kernel.folder, 'busybox'));
        renameSync(kernel.folder, PACKAGES);
      });
    });
  }
  const only = (pattern: string): string => globSync(join(PACKAGES, pattern))[0]!;
  const modules = only('{usr/,}lib/modules/*');
  return { vmlinuz: only('boot/vmlinuz-*'), modules, release: modules.split('/').at(-1)!, busybox: only('busybox/{usr/,}bin/busybox') };
}

/** Test files run in processes of their own, several at once. */
async function locked<Result>(act: () => Promise<Result>): Promise<Result> {
  mkdirSync(CACHE, { recursive: true });
  const deadline = Date.now() + WAIT_LIMIT_MS;
  while (!takeLock()) {
    if (isAbandoned()) rmSync(LOCK, { force: true });
    else if (Date.now() > deadline) throw new Error(`${LOCK} was held for too long`);
    else await pause(100);
  }
  try {
    return await act();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function takeLock(): boolean {
  try {
    const fd = openSync(LOCK, 'wx');
    writeSync(fd, `${process.pid}`);
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Its holder has ended without releasing it. */
function isAbandoned(): boolean {
  try {
    const pid = Number(readFileSync(LOCK, 'utf8'));
    if (pid === 0) return Date.now() - statSync(LOCK).mtimeMs > 10_000;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
