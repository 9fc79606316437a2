/** Sends the datagrams of one connection. */
import type { QuicMachine } from './machine.ts';

/** Datagrams that announce a close. */
const MAX_CLOSING = 8;

export class Outlet {
  readonly #maxDatagram: number;
  readonly #send: (slab: Buffer, offset: number, length: number) => void;

  constructor(maxDatagram: number, send: (slab: Buffer, offset: number, length: number) => void) {
    this.#maxDatagram = maxDatagram;
    this.#send = send;
  }

  /** Sends what there is to send, as far as congestion control allows it. False where that would never end. */
  drain(machine: QuicMachine): boolean {
    const { buffers } = machine;
    for (let closing = 0; closing < MAX_CLOSING; ) {
      // Where the transport finds no packet for its close, it makes empty ones without end.
      if (machine.localError !== null) closing++;
      buffers.reserve(this.#maxDatagram);
      const { slab, used } = buffers;
      const length = machine.send(slab.subarray(used, used + this.#maxDatagram));
      if (length === 0) return true;
      buffers.used += length;
      this.#send(slab, used, length);
    }
    return false;
  }
}
