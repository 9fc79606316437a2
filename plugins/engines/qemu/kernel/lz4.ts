/** Unpacks LZ4's legacy frame, in which most distributions pack their kernels: a magic number, then blocks, each after its length. */

export const LZ4_MAGIC = 0x184c2102;

const BLOCK_LIMIT = 8 * 1024 * 1024;
const MIN_MATCH = 4;
/** A length of 15 in a token goes on in the bytes that follow, as long as they are 255. */
const LONG = 15;

/** `size`: of what comes out. Throws an `Error` that says what is wrong with the input. */
export function unpackLz4(packed: Buffer, size: number): Buffer {
  if (packed.length < 4 || packed.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('it does not begin as LZ4 does');
  const out = Buffer.alloc(size);
  let read = 4;
  let written = 0;
  while (read + 4 <= packed.length) {
    const length = packed.readUInt32LE(read);
    read += 4;
    // Frames may follow one another, each with the magic number again.
    if (length === LZ4_MAGIC) continue;
    if (length === 0 || length > packed.length - read) throw new Error('an LZ4 block is cut off');
    written = unpackBlock(packed.subarray(read, read + length), out, written);
    read += length;
  }
  if (written !== size || read !== packed.length) throw new Error(`LZ4 gave ${written} bytes in place of ${size}`);
  return out;
}

/** Returns where in `out` the block ended. References go back no further than the block's own beginning. */
function unpackBlock(block: Buffer, out: Buffer, start: number): number {
  const end = Math.min(out.length, start + BLOCK_LIMIT);
  let read = 0;
  let written = start;
  const longer = (length: number): number => {
    let more: number;
    do {
      if (read >= block.length) throw new Error('an LZ4 length is cut off');
      more = block[read++]!;
      length += more;
    } while (more === 255);
    return length;
  };
  while (read < block.length) {
    const token = block[read++]!;
    let literals = token >> 4;
    if (literals === LONG) literals = longer(literals);
    if (literals > block.length - read || literals > end - written) throw new Error('LZ4 literals go beyond the block');
    block.copy(out, written, read, read + literals);
    read += literals;
    written += literals;
    // The last sequence of a block has literals alone.
    if (read === block.length) return written;
    if (read + 2 > block.length) throw new Error('an LZ4 offset is cut off');
    const offset = block[read]! | (block[read + 1]! << 8);
    read += 2;
    let match = token & 15;
    if (match === LONG) match = longer(match);
    match += MIN_MATCH;
    let from = written - offset;
    if (offset === 0 || from < start) throw new Error('an LZ4 offset leads before the block');
    if (match > end - written) throw new Error('an LZ4 match goes beyond the block');
    // What is copied may overlap what is written: a run of one byte is a match at offset 1.
    for (const stop = written + match; written < stop; ) out[written++] = out[from++]!;
  }
  throw new Error('an LZ4 block ends within a sequence');
}
