/**
 * What comes from a port of the machine, up to a mark that the guest puts behind it. The guest tells its command's exit
 * code by another port, and QEMU may hold some of the output then.
 */
import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';

export class MarkedOutput extends Transform {
  /** Resolves with the mark, and where no more can come. */
  readonly complete: Promise<void>;
  /** Bytes that have come. */
  received = 0;
  readonly #mark: Buffer;
  readonly #completed: () => void;
  /** Bytes that may be the beginning of the mark. */
  #held: Buffer = Buffer.alloc(0);
  #begun: boolean;
  #over = false;

  /** `between two marks`: what comes before the first is not shown either. */
  constructor(mark: string, shown: 'up to the mark' | 'between two marks' = 'up to the mark') {
    super();
    this.#begun = shown === 'up to the mark';
    this.#mark = Buffer.from(mark, 'latin1');
    const { promise, resolve } = Promise.withResolvers<void>();
    this.complete = promise;
    this.#completed = resolve;
    this.once('close', resolve);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.received += chunk.length;
    if (!this.#over) this.#pass(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]));
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#begun && !this.#over && this.#held.length > 0) this.push(this.#held);
    this.#completed();
    done();
  }

  #pass(bytes: Buffer): void {
    const found = bytes.indexOf(this.#mark);
    if (found >= 0 && !this.#begun) {
      this.#begun = true;
      this.#held = Buffer.alloc(0);
      return this.#pass(bytes.subarray(found + this.#mark.length));
    }
    this.#over = found >= 0;
    const end = this.#over ? found : bytes.length - begunMark(bytes, this.#mark);
    this.#held = bytes.subarray(end);
    if (this.#begun && end > 0) this.push(bytes.subarray(0, end));
    if (this.#over) this.#completed();
  }
}

/** How many bytes at the end may be the beginning of the mark. */
function begunMark(bytes: Buffer, mark: Buffer): number {
  let length = Math.min(mark.length - 1, bytes.length);
  while (length > 0 && !bytes.subarray(bytes.length - length).equals(mark.subarray(0, length))) length--;
  return length;
}
