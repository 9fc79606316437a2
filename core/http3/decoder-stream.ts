/**
 * The peer's decoder stream (RFC 9204, section 4.4). We insert nothing, so it has nothing to acknowledge: all that it may say is
 * that streams were cancelled, which changes nothing.
 */
import { H3, Http3ConnectionError } from './error-code.ts';
import { InstructionReader, OVERLARGE, UNFINISHED } from './instruction-reader.ts';

export class DecoderStream {
  readonly #reader = new InstructionReader();
  #partial: Buffer | null = null;

  /** Throws `Http3ConnectionError`. */
  onData(chunk: Buffer): void {
    const bytes = this.#partial ? Buffer.concat([this.#partial, chunk]) : chunk;
    const reader = this.#reader;
    reader.begin(bytes);
    let whole = 0;
    this.#partial = null;
    while (!reader.isDone) {
      const isCancellation = (reader.first & 0xc0) === 0x40;
      if (!isCancellation) throw new Http3ConnectionError(H3.qpackDecoderStreamError, 'what was never inserted is acknowledged');
      const stream = reader.integer(6);
      if (stream === OVERLARGE) throw new Http3ConnectionError(H3.qpackDecoderStreamError, 'an integer is too large');
      if (stream === UNFINISHED) {
        this.#partial = Buffer.from(bytes.subarray(whole));
        return;
      }
      whole = reader.at;
    }
  }
}
