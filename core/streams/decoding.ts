/** Undoes the content codings of a body that is read while it passes: asynchronously, and no more than its bytes are worth. */
import type { BodyWatcher } from '../flows/tee.ts';
import { createDecoder, type ContentCoding } from '../recorder/content-coding.ts';

/** Decoded bytes that any body may give, and how many more for each byte of it. A text is never that repetitive, a bomb is. */
const FREE_BYTES = 4 * 1024 * 1024;
const RATIO = 256;

export const BOMB = 'it gives too many bytes when decoded';

/** True where a body of `encoded` bytes has given too many. */
export function isBomb(encoded: number, decoded: number): boolean {
  return decoded > FREE_BYTES + RATIO * encoded;
}

/** One coding; what it decodes goes to the next watcher. */
class Decoding implements BodyWatcher {
  onDrain: (() => void) | null = null;
  readonly #coding: ContentCoding;
  readonly #next: BodyWatcher;
  readonly #failed: (fault: string) => void;
  #decoder: ReturnType<typeof createDecoder> | null = null;
  #encoded = 0;
  #decoded = 0;
  #over = false;

  constructor(coding: ContentCoding, next: BodyWatcher, failed: (fault: string) => void) {
    this.#coding = coding;
    this.#next = next;
    this.#failed = failed;
    next.onDrain = () => this.#decoder?.resume();
  }

  write(chunk: Buffer): boolean {
    if (this.#over) return true;
    this.#encoded += chunk.length;
    this.#decoder ??= this.#open(chunk);
    return this.#decoder.write(chunk);
  }

  end(): void {
    if (this.#decoder && !this.#over) this.#decoder.end();
    else if (!this.#over) this.#next.end();
  }

  #open(beginning: Buffer): ReturnType<typeof createDecoder> {
    const decoder = createDecoder(this.#coding, beginning);
    decoder.on('data', (chunk: Buffer) => {
      this.#decoded += chunk.length;
      if (this.#over) return;
      if (isBomb(this.#encoded, this.#decoded)) this.#fail(BOMB);
      else if (!this.#next.write(chunk)) decoder.pause();
    });
    decoder.on('drain', () => this.onDrain?.());
    decoder.on('end', () => {
      if (this.#over) return;
      this.#over = true;
      this.#next.end();
    });
    decoder.on('error', () => this.#fail(`it is no ${this.#coding}`));
    return decoder;
  }

  #fail(fault: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#decoder!.destroy();
    this.#failed(fault);
    // Whoever was asked to pause is let go.
    this.onDrain?.();
  }
}

/** A watcher that hands the decoded bytes to another. @param failed is called at most once; then `end` does not reach the other. */
export function decoded(codings: readonly ContentCoding[], watcher: BodyWatcher, failed: (fault: string) => void): BodyWatcher {
  return codings.reduceRight<BodyWatcher>((next, coding) => new Decoding(coding, next, failed), watcher);
}
