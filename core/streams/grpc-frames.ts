/** The framing of gRPC messages: a flag, the length in four bytes, the message. Read as its bytes come. */

const COMPRESSED = 0x01;
/** Of gRPC-Web: the frame holds the trailers. */
const TRAILERS = 0x80;
const HEAD = 5;

export interface FrameOutlet {
  /** A frame begins. @param length its bytes. */
  begin(compressed: boolean, trailers: boolean, length: number): void;
  data(bytes: Buffer): void;
  end(): void;
}

export class GrpcFrames {
  /** Why nothing more is read; null while it is. */
  fault: string | null = null;
  readonly #out: FrameOutlet;
  readonly #flags: number;
  readonly #head = Buffer.alloc(HEAD);
  #headSize = 0;
  /** Bytes of the message that have not come yet. */
  #left = 0;

  /** @param web trailers may come as a frame. */
  constructor(web: boolean, out: FrameOutlet) {
    this.#flags = web ? COMPRESSED | TRAILERS : COMPRESSED;
    this.#out = out;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.fault === null) {
      if (this.#headSize < HEAD) {
        const taken = Math.min(HEAD - this.#headSize, chunk.length - at);
        chunk.copy(this.#head, this.#headSize, at, at + taken);
        this.#headSize += taken;
        at += taken;
        if (this.#headSize === HEAD) this.#begin();
      } else {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#out.data(chunk.subarray(at, at + taken));
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#end();
      }
    }
  }

  /** The body is whole. */
  end(): void {
    if (this.#headSize > 0) this.fault ??= 'the body ends in the middle of a message';
  }

  #begin(): void {
    const flags = this.#head[0]!;
    if ((flags & ~this.#flags) !== 0) {
      this.fault = `a message has the flags 0x${flags.toString(16).padStart(2, '0')}, which mean nothing`;
      return;
    }
    this.#left = this.#head.readUInt32BE(1);
    this.#out.begin((flags & COMPRESSED) !== 0, (flags & TRAILERS) !== 0, this.#left);
    if (this.#left === 0) this.#end();
  }

  #end(): void {
    this.#headSize = 0;
    this.#out.end();
  }
}
