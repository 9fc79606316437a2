/** The peer's control stream (RFC 9114, section 6.2.1): SETTINGS first, then GOAWAY and what concerns pushes, of which there are none. */
import type { QuicStreamEvents } from '../quic/connection.ts';
import { H3, Http3ConnectionError } from './error-code.ts';
import { FRAME, refuseOnControlStream, unexpected } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { MAX_SETTINGS_BYTES, readSettings, type PeerSettings } from './settings.ts';
import { readVarint, varintSize } from './varint.ts';

/** Bytes of a frame that holds one integer. */
const INTEGER_FRAME = 8;

export interface ControlEvents {
  onSettings(settings: PeerSettings): void;
  onGoaway(id: number): void;
}

/** Its `onData` throws `Http3ConnectionError`. */
export class ControlStream implements Pick<QuicStreamEvents, 'onData'> {
  readonly #events: ControlEvents;
  readonly #ofServer: boolean;
  readonly #reader: FrameReader;
  #settled = false;
  #goaway = Infinity;
  #maxPush = -1;

  /** @param ofServer the peer is the server. */
  constructor(events: ControlEvents, ofServer: boolean) {
    this.#events = events;
    this.#ofServer = ofServer;
    this.#reader = new FrameReader({
      onFrameBegin: (type) => this.#begin(type),
      onPiece: () => {},
      onFrame: (type, payload) => this.#frame(type, payload),
    });
  }

  onData(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  #begin(type: number): 'skip' | number {
    if (!this.#settled && type !== FRAME.settings) throw new Http3ConnectionError(H3.missingSettings, 'the control stream does not begin with SETTINGS');
    refuseOnControlStream(type);
    if (type === FRAME.settings) {
      if (this.#settled) throw unexpected(type);
      this.#settled = true;
      return MAX_SETTINGS_BYTES;
    }
    if (type === FRAME.maxPushId && this.#ofServer) throw unexpected(type);
    return type === FRAME.goaway || type === FRAME.maxPushId || type === FRAME.cancelPush ? INTEGER_FRAME : 'skip';
  }

  #frame(type: number, payload: Buffer | null): void {
    if (type === FRAME.settings) {
      if (payload === null) throw new Http3ConnectionError(H3.excessiveLoad, 'SETTINGS are too long');
      return this.#events.onSettings(readSettings(payload));
    }
    if (payload === null || payload.length === 0 || varintSize(payload[0]!) !== payload.length) throw new Http3ConnectionError(H3.frameError, 'a frame does not hold one integer');
    const id = readVarint(payload, 0);
    if (type === FRAME.cancelPush) throw new Http3ConnectionError(H3.idError, 'there is no push to cancel');
    if (type === FRAME.maxPushId) {
      if (id < this.#maxPush) throw new Http3ConnectionError(H3.idError, 'MAX_PUSH_ID goes back');
      this.#maxPush = id;
      return;
    }
    if (id > this.#goaway || (this.#ofServer && id % 4 !== 0)) throw new Http3ConnectionError(H3.idError, 'GOAWAY names no sound stream');
    this.#goaway = id;
    this.#events.onGoaway(id);
  }
}
