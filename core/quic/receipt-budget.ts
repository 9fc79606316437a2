/**
 * Bounds what a peer may make the transport keep that is no stream's data: handshake data and connection ids without end
 * (CVE-2024-1410, CVE-2024-1765). Windows bound the streams; what else came may not exceed an allowance.
 */
const ALLOWANCE = 8 * 1024 * 1024;
/** Bytes of a datagram that are its headers and acknowledgements. */
const OVERHEAD = 64;
/** The share of a stream's data that may come twice. */
const REPEATED = 1 / 64;

export class ReceiptBudget {
  #received = 0;
  #delivered = 0;

  datagram(bytes: number): void {
    if (bytes > OVERHEAD) this.#received += bytes - OVERHEAD;
  }

  delivered(bytes: number): void {
    this.#delivered += bytes;
  }

  /** Streams' windows may hold data that was not delivered yet: they are part of the allowance of a connection that reads. */
  get isSpent(): boolean {
    return this.#received > 2 * ALLOWANCE + this.#delivered * (1 + REPEATED);
  }
}
