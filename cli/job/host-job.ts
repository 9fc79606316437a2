/** A command on the host, without a guest: nothing is isolated and nothing captured. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { commandOf, type JobSettings } from '../settings/job-settings.ts';

const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];

/** Resolves to the command's exit code: 126 not executable, 127 not found, 128+n ended by signal n. */
export function runHostJob(settings: JobSettings): Promise<number> {
  const { command, args } = commandOf(settings);
  const child = spawn(command, [...args], { cwd: settings.cwd, env: { ...process.env, ...settings.env }, stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  // Keys reach the command by the terminal itself; this process must outlive it to tell its exit code.
  const ignore = (): void => {};
  for (const signal of FORWARDED) process.on(signal, forward);
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, ignore);
  return new Promise((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`mentu-runtime: ${command}: ${error.code === 'ENOENT' ? 'command not found' : error.message}\n`);
      resolve(error.code === 'ENOENT' ? 127 : 126);
    });
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
}
