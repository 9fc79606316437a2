/** The timeout of a job, as timeout(1) has it: SIGTERM when the time has passed, SIGKILL after a grace, exit code 124. */
import { durationText } from '../settings/duration.ts';

/** Milliseconds in which a command may end in order after SIGTERM. */
export const GRACE_MS = 5_000;
export const TIMED_OUT_CODE = 124;

/** For the user. @param milliseconds the limit that has passed. */
export function timeoutText(milliseconds: number | null): string {
  return `mentu: the command was ended: it was not done within its timeout of ${durationText(milliseconds ?? 0)}`;
}

/** What is ended when the time has passed. */
export interface Ending {
  signal(name: NodeJS.Signals): void;
  /** Ends it without its help. */
  kill(): void;
}

export class TimeLimit {
  /** Resolves when the time has passed; never where there is no limit. */
  readonly passed: Promise<void>;
  readonly #milliseconds: number | null;
  readonly #pass: () => void;
  #timer: NodeJS.Timeout | null = null;
  #expired = false;
  #target: Ending | null = null;

  /** @param milliseconds null: there is no limit. */
  constructor(milliseconds: number | null) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.passed = promise;
    this.#pass = resolve;
    this.#milliseconds = milliseconds;
  }

  get expired(): boolean {
    return this.#expired;
  }

  /** The time runs from the first call on. */
  start(): void {
    if (this.#milliseconds !== null && !this.#expired) this.#timer ??= setTimeout(() => this.#expire(), this.#milliseconds);
  }

  /** Whom the limit is to end; null while nothing runs. */
  set target(target: Ending | null) {
    this.#target = target;
    if (this.#expired) this.#end();
  }

  close(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#target = null;
  }

  #expire(): void {
    this.#expired = true;
    this.#pass();
    this.#end();
  }

  #end(): void {
    const target = this.#target;
    if (!target) return;
    target.signal('SIGTERM');
    target.signal('SIGCONT'); // one that is stopped could not end
    clearTimeout(this.#timer ?? undefined);
    this.#timer = setTimeout(() => target.kill(), GRACE_MS);
  }
}
