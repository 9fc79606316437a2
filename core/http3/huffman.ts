/** The Huffman code of field strings (RFC 7541, appendix B; RFC 9204, section 4.1.2), read and written. */

/**
 * Bits of each octet's code, and of the end's. The code is canonical: among codes of one length, in the order of the
 * octets, each is the one before plus one, so the lengths tell all codes.
 */
// prettier-ignore
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const END = 256;
const CODES = canonicalCodes();
/**
 * What four bits lead to, for each inner node of the tree, the root being 0: the next node, an octet that is complete,
 * and whether one is. The code for the end in the midst of a string is an error (section 5.2).
 */
const OCTET_COMPLETE = 1 << 16;
const INVALID = 1 << 17;
const { steps: STEPS, mayEnd: MAY_END } = decodingSteps();

/** Bytes of the text in this code. Throws a TypeError for characters beyond latin1. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i);
    if (octet > 0xff) throw new TypeError(`the field has a character beyond latin1: U+${octet.toString(16)}`);
    bits += LENGTHS[octet]!;
  }
  return (bits + 7) >>> 3;
}

/** Writes the text, for which there is room, and returns where it ends. */
export function writeHuffman(text: string, target: Uint8Array, at: number): number {
  let held = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i);
    let length = LENGTHS[octet]!;
    let code = CODES[octet]!;
    // What is held and what comes must fit into 32 bits.
    if (length > 16) {
      length -= 16;
      held = (held << length) | (code >>> 16);
      bits += length;
      while (bits >= 8) target[at++] = held >>> (bits -= 8);
      code &= 0xffff;
      length = 16;
    }
    held = ((held & 0xff) << length) | code;
    bits += length;
    while (bits >= 8) target[at++] = held >>> (bits -= 8);
  }
  if (bits > 0) target[at++] = (held << (8 - bits)) | (0xff >>> bits);
  return at;
}

/** Reads from `start` to `end` into the target, which has room for eight fifths of it, and returns how many octets came; -1 where it is no such code. */
export function readHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let node = 0;
  let at = 0;
  for (let i = start; i < end; i++) {
    const octet = source[i]!;
    let step = STEPS[(node << 4) | (octet >>> 4)]!;
    if (step & OCTET_COMPLETE) target[at++] = step >>> 8;
    if (step & INVALID) return -1;
    step = STEPS[((step & 0xff) << 4) | (octet & 15)]!;
    if (step & OCTET_COMPLETE) target[at++] = step >>> 8;
    if (step & INVALID) return -1;
    node = step & 0xff;
  }
  return MAY_END[node] ? at : -1;
}

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(LENGTHS.length);
  const order = [...LENGTHS.keys()].sort((a, b) => LENGTHS[a]! - LENGTHS[b]! || a - b);
  let code = 0;
  let length = 0;
  for (const octet of order) {
    code <<= LENGTHS[octet]! - length;
    length = LENGTHS[octet]!;
    codes[octet] = code++;
  }
  return codes;
}

function decodingSteps(): { steps: Uint32Array; mayEnd: Uint8Array } {
  // Children of each inner node: another inner node, or an octet as -1 - octet.
  const children: [number, number][] = [[0, 0]];
  for (const [octet, length] of LENGTHS.entries()) {
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const side = (CODES[octet]! >>> bit) & 1;
      if (children[node]![side] === 0) children[node]![side] = children.push([0, 0]) - 1;
      node = children[node]![side]!;
    }
    children[node]![CODES[octet]! & 1] = -1 - octet;
  }
  const steps = new Uint32Array(children.length * 16);
  for (let step = 0; step < steps.length; step++) {
    let node = step >>> 4;
    let complete = 0;
    for (let bit = 3; bit >= 0; bit--) {
      const next = children[node]![(step >>> bit) & 1]!;
      node = Math.max(next, 0);
      if (next === -1 - END) complete = INVALID;
      else if (next < 0) complete = OCTET_COMPLETE | ((-1 - next) << 8);
      if (complete === INVALID) break;
    }
    steps[step] = complete | node;
  }
  // A string ends between octets, or in at most seven bits of the end's code, which are ones (section 5.2).
  const mayEnd = new Uint8Array(children.length);
  for (let node = 0, bits = 0; bits < 8; node = children[node]![1], bits++) mayEnd[node] = 1;
  return { steps, mayEnd };
}
