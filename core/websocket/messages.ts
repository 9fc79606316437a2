/** Joins the frames of one direction to messages (RFC 6455, sections 5.4 and 5.5). */
import { BINARY, CLOSE, CONTINUATION, FrameFault, FrameReader, MAX_CONTROL, PING, PONG, TEXT, type FrameHandler, type FrameHead } from './frames.ts';

export type ControlOpcode = 'ping' | 'pong' | 'close';

export interface MessageHandler {
  /** False where nobody looks at the bytes of uncompressed messages, only at their number. */
  readonly looksAtData: boolean;
  onMessage(opcode: 'text' | 'binary', compressed: boolean): void;
  /** A part of the message under way, as it came: still compressed where the message is. */
  onData(chunk: Buffer): void;
  onMessageEnd(): void;
  /** A control frame, which may come in the midst of a message. Its payload may be kept. */
  onControl(opcode: ControlOpcode, payload: Buffer): void;
  /** Called once: what follows is not read. */
  onFault(reason: string): void;
}

/** What both sides agreed on for a direction. */
export interface MessageGrammar {
  /** Clients mask, servers do not. */
  readonly masked: boolean;
  /** RSV1 may mark compressed messages (RFC 7692, section 6). */
  readonly deflate: boolean;
}

const CONTROLS: Readonly<Record<number, ControlOpcode>> = { [CLOSE]: 'close', [PING]: 'ping', [PONG]: 'pong' };
const NO_PAYLOAD = Buffer.alloc(0);
const RSV1 = 4;

export class MessageReader implements FrameHandler {
  readonly #handler: MessageHandler;
  readonly #grammar: MessageGrammar;
  readonly #frames = new FrameReader(this);
  /** A data message has begun and not ended; null where none has. */
  #message: { readonly compressed: boolean } | null = null;
  #frame: FrameHead | null = null;
  #control: Buffer = NO_PAYLOAD;
  #faulty = false;

  constructor(handler: MessageHandler, grammar: MessageGrammar) {
    this.#handler = handler;
    this.#grammar = grammar;
  }

  /** True where a data message has begun and not ended. */
  get isInMessage(): boolean {
    return this.#message !== null;
  }

  read(chunk: Buffer): void {
    if (this.#faulty) return;
    try {
      this.#frames.read(chunk);
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error;
      this.#faulty = true;
      this.#handler.onFault(error.message);
    }
  }

  onFrame(head: FrameHead): boolean {
    const { opcode, reserved, fin, masked } = head;
    if (masked !== this.#grammar.masked) throw new FrameFault(masked ? 'a frame of the server is masked' : 'a frame of the client has no mask');
    this.#frame = head;
    if (opcode in CONTROLS) {
      if (!fin || head.length > MAX_CONTROL || reserved !== 0) throw new FrameFault('a control frame is fragmented, longer than 125 bytes, or has reserved bits');
      this.#control = NO_PAYLOAD;
      return true;
    }
    if (opcode === CONTINUATION) {
      if (!this.#message) throw new FrameFault('a continuation has nothing to continue');
      if (reserved !== 0) throw new FrameFault('a continuation has reserved bits');
    } else if (opcode === TEXT || opcode === BINARY) {
      if (this.#message) throw new FrameFault('a message begins in the midst of another');
      const compressed = reserved === RSV1 && this.#grammar.deflate;
      if (reserved !== 0 && !compressed) throw new FrameFault('a frame has reserved bits that nothing agreed on gives a meaning');
      this.#message = { compressed };
      this.#handler.onMessage(opcode === TEXT ? 'text' : 'binary', compressed);
    } else {
      throw new FrameFault(`the opcode ${opcode} is reserved`);
    }
    return this.#message!.compressed || this.#handler.looksAtData;
  }

  onPayload(chunk: Buffer): void {
    if (this.#frame!.opcode < CLOSE) this.#handler.onData(chunk);
    else this.#control = Buffer.concat([this.#control, chunk]);
  }

  onFrameEnd(): void {
    const { opcode, fin } = this.#frame!;
    if (opcode in CONTROLS) return this.#handler.onControl(CONTROLS[opcode]!, this.#control);
    if (!fin) return;
    this.#message = null;
    this.#handler.onMessageEnd();
  }
}
