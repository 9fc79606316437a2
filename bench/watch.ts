import type { Field } from './field.ts';
import type { Options } from './options.ts';

/** Ends what was started: when all is done, when the user stops it, and when it takes far too long. */
export class Watch {
  #field: Field | null = null;
  #timer: NodeJS.Timeout | null = null;

  over(field: Field, { rounds, seconds }: Options): void {
    this.#field = field;
    const limit = 240 + rounds * (25 * (seconds + 5) + 40);
    this.#timer = setTimeout(() => void this.#stop(`gave up after ${limit} s`), limit * 1000).unref();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void this.#stop(`stopped by ${signal}`));
  }

  async end(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#field?.close();
    this.#field?.remove();
  }

  async #stop(reason: string): Promise<void> {
    process.stderr.write(`bench: ${reason}\n`);
    await this.end();
    process.exit(1);
  }
}
