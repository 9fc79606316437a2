/** Memory that all connections of a transport use in turn, for what is over within a turn: most of them are idle at any time. */

/** Bytes that a stream reads at once. */
const CHUNK = 64 * 1024;
/** Bytes of memory from which datagrams are cut. */
const SLAB = 128 * 1024;

export class SharedBuffers {
  /** Where streams read first. */
  scratch = Buffer.allocUnsafeSlow(CHUNK);
  /** What goes out is written here, from `used` on. */
  slab = Buffer.alloc(0);
  used = 0;

  /** Somebody keeps what is in the scratch. */
  renewScratch(): void {
    this.scratch = Buffer.allocUnsafeSlow(CHUNK);
  }

  /** Sees that the slab has room for so many bytes. */
  reserve(size: number): void {
    if (this.slab.length - this.used >= size) return;
    this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB, size));
    this.used = 0;
  }
}
