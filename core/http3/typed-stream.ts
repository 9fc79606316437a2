/** A stream that only the peer writes, and that says first what it is for (RFC 9114, section 6.2). */
import type { QuicStream } from '../quic/connection.ts';
import { H3, Http3ConnectionError } from './error-code.ts';
import { readVarint, varintSize } from './varint.ts';

export interface TypedStreamKind {
  /** May throw `Http3ConnectionError`. */
  onData(chunk: Buffer): void;
}

export class TypedStream {
  #kind: TypedStreamKind | null = null;
  #isKnown = false;
  #beginning: Buffer | null = null;

  /** @param kindOf who reads a stream of the type, null for nobody. @param fail is given what was thrown. */
  constructor(stream: QuicStream, kindOf: (type: number) => TypedStreamKind | null, fail: (error: unknown) => void) {
    const end = (): void => {
      if (this.#kind) fail(new Http3ConnectionError(H3.closedCriticalStream, 'a stream ended without which the connection cannot be'));
    };
    stream.attach({
      onData: (chunk) => {
        try {
          if (this.#isKnown) return this.#kind?.onData(chunk);
          const all: Buffer = this.#beginning ? Buffer.concat([this.#beginning, chunk]) : chunk;
          const size = varintSize(all[0]!);
          if (all.length < size) {
            this.#beginning = all;
            return;
          }
          this.#isKnown = true;
          this.#beginning = null;
          this.#kind = kindOf(readVarint(all, 0));
          if (!this.#kind) return stream.stopReading(H3.streamCreationError);
          if (all.length > size) this.#kind.onData(all.subarray(size));
        } catch (error) {
          fail(error);
        }
      },
      onEnd: end,
      onReset: end,
      onStopSending: () => {},
      onDrain: () => {},
    });
  }
}
