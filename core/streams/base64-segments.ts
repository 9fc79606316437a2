/** Base64 in segments, each of which may be padded: how gRPC-Web sends bytes as text. Decoded as it comes. */
export class Base64Segments {
  /** Why nothing more is read; null while it is. */
  fault: string | null = null;
  readonly #out: (bytes: Buffer) => void;
  /** Fewer than four characters that wait for the rest of their group. */
  #rest = '';

  constructor(out: (bytes: Buffer) => void) {
    this.#out = out;
  }

  write(chunk: Buffer): void {
    if (this.fault !== null) return;
    const text = this.#rest + chunk.toString('latin1');
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    for (let at = 0; at < whole && this.fault === null; ) {
      const padding = text.indexOf('=', at);
      const end = padding === -1 || padding >= whole ? whole : padding - ((padding - at) % 4) + 4;
      this.#decode(text.slice(at, end));
      at = end;
    }
  }

  /** The body is whole. */
  end(): void {
    if (this.#rest !== '') this.fault ??= 'the body ends in the middle of a base64 group';
  }

  #decode(segment: string): void {
    const padding = segment.endsWith('==') ? 2 : segment.endsWith('=') ? 1 : 0;
    const bytes = Buffer.from(segment, 'base64');
    // What is no base64 is left out by the decoder, and missing then.
    if (bytes.length !== (segment.length / 4) * 3 - padding) this.fault = 'the body is no base64';
    else if (bytes.length > 0) this.#out(bytes);
  }
}
