/** A kernel for tests of the QEMU engine, set up once for this checkout. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { KernelStore } from '../../plugins/engines/qemu/kernel/store.ts';
import { Debian } from '../../plugins/engines/qemu/setup/debian.ts';
import { KernelSetup } from '../../plugins/engines/qemu/setup/kernel-setup.ts';

const CACHE = join(import.meta.dirname, '../../.cache');
const HOME = join(CACHE, 'qemu');
const LOCK = join(CACHE, 'qemu.lock');
const WAIT_LIMIT_MS = 300_000;

/**
 * The engine's home with a kernel that guests can boot: what `$MENTU_HOME/engines/qemu` is for a user. It is set up where
 * it is not there yet, is damaged or is that of another state of the sources. Tests do not change it.
 */
export async function testKernelHome(): Promise<string> {
  const store = new KernelStore(HOME);
  if (store.state().kernel !== null) return HOME;
  mkdirSync(CACHE, { recursive: true });
  const release = await lock();
  try {
    const quietly = (): void => undefined;
    await Debian.within(HOME, quietly, (debian) => new KernelSetup({ store, debian, say: quietly, trial: async () => null }).run(null));
    return HOME;
  } finally {
    release();
  }
}

/** Test files run in processes of their own, several at once. */
async function lock(): Promise<() => void> {
  const deadline = Date.now() + WAIT_LIMIT_MS;
  for (;;) {
    try {
      const fd = openSync(LOCK, 'wx');
      writeSync(fd, `${process.pid}`);
      closeSync(fd);
      return () => rmSync(LOCK, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (isAbandoned()) rmSync(LOCK, { force: true });
    else if (Date.now() > deadline) throw new Error(`${LOCK} was held for too long`);
    else await pause(100);
  }
}

/** Its holder has ended without releasing it. */
function isAbandoned(): boolean {
  try {
    const pid = Number(readFileSync(LOCK, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    else return Date.now() - statSync(LOCK).mtimeMs > 10_000;
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
