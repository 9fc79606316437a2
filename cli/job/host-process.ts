/** A command's process on the host, and how it is ended with all that it has started. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { commandOf, type JobSettings } from '../settings/job-settings.ts';

/** Processes that are looked for below one, at most. */
const MAX_FAMILY = 10_000;

export class HostProcess {
  /** Resolves to the exit code: 126 not executable, 127 not found, 128+n ended by signal n. */
  readonly exited: Promise<number>;
  /**
   * On a terminal the command shares our process group, to which the terminal sends the signals of its keys.
   * Without one it has a group of its own, so that a signal reaches all that it has started.
   */
  readonly sharesTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
  readonly #child: ChildProcess;

  /** @param refused told why the command does not start. */
  constructor(settings: JobSettings, refused: (reason: string) => void) {
    const { command, args } = commandOf(settings);
    this.#child = spawn(command, [...args], { cwd: settings.workspace, env: { ...process.env, ...settings.env }, stdio: 'inherit', detached: !this.sharesTerminal });
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error: NodeJS.ErrnoException) => {
        if (this.#child.pid !== undefined) return;
        refused(error.code === 'ENOENT' ? 'command not found' : error.message);
        resolve(error.code === 'ENOENT' ? 127 : 126);
      });
      this.#child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
    });
  }

  /** To the command; where it has a group of its own, to all of it. */
  signal(name: NodeJS.Signals): void {
    if (this.#runs) send(name, [this.#target]);
  }

  /** To the command and all that it has started. */
  signalAll(name: NodeJS.Signals): void {
    if (this.#runs) send(name, this.sharesTerminal ? familyOf(this.#target) : [this.#target]);
  }

  /** Ends what a command that has ended left in its group. */
  killRest(): void {
    if (!this.sharesTerminal && this.#child.pid !== undefined) send('SIGKILL', [this.#target]);
  }

  /** Once its end is known, the number may be another's. */
  get #runs(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get #target(): number {
    return this.sharesTerminal ? this.#child.pid! : -this.#child.pid!;
  }
}

function send(name: NodeJS.Signals, targets: readonly number[]): void {
  for (const target of targets) {
    try {
      process.kill(target, name);
    } catch {
      // It has gone in the meantime.
    }
  }
}

/** A process and those below it, as Linux knows them. */
function familyOf(pid: number): number[] {
  const family = [pid];
  for (let at = 0; at < family.length && family.length < MAX_FAMILY; at++) family.push(...childrenOf(family[at]!));
  return family;
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
  } catch {
    return [];
  }
}
