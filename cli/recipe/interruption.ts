/** The user's wish to end a run: a signal to this process, which also goes to the step that runs. */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** What a terminal makes of its keys, which a guest with a terminal of its own gets in our stead. */
const KEYS = ['SIGINT', 'SIGQUIT'] as const;

export class Interruption {
  #signal: NodeJS.Signals | null = null;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#note);
  }

  /** The first one that came. */
  get signal(): NodeJS.Signals | null {
    return this.#signal;
  }

  /** The guest's terminal took the keys: a command that ended by their signal was ended by the user. */
  noteKeys(exitCode: number): void {
    this.#signal ??= KEYS.find((signal) => exitCode === codeOf(signal)) ?? null;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#note);
  }

  readonly #note = (signal: NodeJS.Signals): void => {
    this.#signal ??= signal;
  };
}

/** As a shell tells a command that a signal ended. */
export function codeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
