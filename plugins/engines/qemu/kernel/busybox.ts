/** The program that a guest's init is made of: a busybox that needs no library. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isStaticProgram } from './elf.ts';

export interface Busybox {
  readonly file: string;
  /** For people: where it comes from. */
  readonly origin: string;
}

/** What the initramfs and a job's init call. */
const APPLETS = [
  ...['cat', 'chroot', 'cp', 'date', 'env', 'insmod', 'ip', 'kill', 'ln', 'mkdir', 'mkfifo', 'mknod', 'modprobe', 'mount', 'reboot', 'rm', 'setsid'],
  ...['printf', 'sh', 'sleep', 'stty', 'sync', 'telnetd', 'umount', 'unshare', 'usleep', 'unxz'],
];
const TIME_LIMIT_MS = 5_000;

/** Null where the file can be a guest's busybox, else why not. */
export function flawOf(file: string): string | null {
  try {
    if (!isStaticProgram(readFileSync(file))) return 'it needs libraries';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { status, stdout, error } = spawnSync(file, ['--list'], { encoding: 'utf8', env: {}, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'ignore'] });
  if (status !== 0) return `it does not run: ${error?.message ?? `exit code ${status}`}`;
  const known = new Set(stdout.split('\n'));
  const lacking = APPLETS.filter((applet) => !known.has(applet));
  return lacking.length === 0 ? null : `it lacks ${lacking.join(', ')}`;
}
