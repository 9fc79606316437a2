/** A command on the host, without a guest: nothing is isolated and nothing captured. */
import { note, visible } from '../output.ts';
import type { JobSettings } from '../settings/job-settings.ts';
import { HostProcess } from './host-process.ts';
import { TIMED_OUT_CODE, TimeLimit, timeoutText } from './time-limit.ts';

const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];
/** On a terminal they reach the command by the terminal itself; this process must outlive it to tell its exit code. */
const KEYS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

export interface HostExit {
  /** The command's own, 124 where its time was up, 126 not executable, 127 not found, 128+n ended by signal n. */
  readonly code: number;
  readonly timedOut: boolean;
}

export async function runHostJob(settings: JobSettings): Promise<HostExit> {
  let host: HostProcess | null = null;
  const forward = (signal: NodeJS.Signals): void => host?.signal(signal);
  const onKey = (signal: NodeJS.Signals): void => {
    if (host?.sharesTerminal === false) host.signal(signal);
  };
  const limit = new TimeLimit(settings.timeout);
  // Before the command starts: a signal in between would end this process alone and leave the command behind.
  for (const signal of FORWARDED) process.on(signal, forward);
  for (const signal of KEYS) process.on(signal, onKey);
  try {
    const started = new HostProcess(settings, (reason) => note(`mentu: ${visible(settings.command!)}: ${reason}`));
    host = started;
    limit.target = { signal: (name) => started.signalAll(name), kill: () => started.signalAll('SIGKILL') };
    limit.start();
    const code = await started.exited;
    if (!limit.expired) return { code, timedOut: false };
    started.killRest();
    note(timeoutText(settings.timeout));
    return { code: TIMED_OUT_CODE, timedOut: true };
  } finally {
    limit.close();
    for (const signal of FORWARDED) process.off(signal, forward);
    for (const signal of KEYS) process.off(signal, onKey);
  }
}

/** The settings that are given, belong to a guest and have no effect here. */
export function idleOnHost({ keys, limits, ports, restartPolicy, rootfs }: JobSettings): string[] {
  const given = { ...keys, cpus: limits.cpus !== null, memoryMiB: limits.memoryMiB !== null, ports: ports.length > 0, restartPolicy: restartPolicy.restarts > 0, rootfs: rootfs !== null };
  return Object.entries(given).filter(([, isGiven]) => isGiven).map(([name]) => name);
}
