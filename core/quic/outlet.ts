/** Cuts the datagrams of one connection from slabs of memory and sends them. */
import type { QuicMachine } from './machine.ts';

/** Bytes of a slab; a new one is made when it is used up. */
const SLAB = 128 * 1024;
/** The first one, which is all that many connections need. */
const FIRST_SLAB = 8 * 1024;
/** Datagrams that announce a close. */
const MAX_CLOSING = 8;

export class Outlet {
  readonly #maxDatagram: number;
  readonly #send: (slab: Buffer, offset: number, length: number) => void;
  #slab = Buffer.alloc(0);
  #used = 0;

  constructor(maxDatagram: number, send: (slab: Buffer, offset: number, length: number) => void) {
    this.#maxDatagram = maxDatagram;
    this.#send = send;
  }

  /** Sends what there is to send, as far as congestion control allows it. False where that would never end. */
  drain(machine: QuicMachine): boolean {
    for (let closing = 0; closing < MAX_CLOSING; ) {
      // Where the transport finds no packet for its close, it makes empty ones without end.
      if (machine.localError !== null) closing++;
      if (this.#slab.length - this.#used < this.#maxDatagram) {
        this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slab.length === 0 ? FIRST_SLAB : SLAB, this.#maxDatagram));
        this.#used = 0;
      }
      const length = machine.send(this.#slab.subarray(this.#used, this.#used + this.#maxDatagram));
      if (length === 0) return true;
      this.#send(this.#slab, this.#used, length);
      this.#used += length;
    }
    return false;
  }
}
