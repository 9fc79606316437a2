/** Signals to this process while a job runs: the command's to handle, and where they ask for the end, the end of restarts. */

const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGTSTP'];
const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']);

export class SignalForwarder {
  /** Resolves with the first signal that asks for the end. */
  readonly interrupted: Promise<NodeJS.Signals>;
  /** Gets every signal; null while nothing runs. */
  target: { signal(name: NodeJS.Signals): void } | null = null;
  readonly #interrupt: (signal: NodeJS.Signals) => void;
  #interruption: NodeJS.Signals | null = null;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
    this.interrupted = promise;
    this.#interrupt = resolve;
    for (const signal of FORWARDED) process.on(signal, this.#forward);
  }

  /** The signal that asked for the end, if one has. */
  get interruption(): NodeJS.Signals | null {
    return this.#interruption;
  }

  close(): void {
    for (const signal of FORWARDED) process.off(signal, this.#forward);
  }

  readonly #forward = (signal: NodeJS.Signals): void => {
    if (ENDING.has(signal)) {
      this.#interruption ??= signal;
      this.#interrupt(signal);
    }
    this.target?.signal(signal);
  };
}
