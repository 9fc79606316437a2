/** ELF files of x86_64: programs, and kernels as QEMU boots them without a boot loader. */

const MAGIC = Buffer.from('\x7fELF\x02\x01', 'latin1');
const X86_64 = 62;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const SECTION_BYTES = 64;
const SEGMENT_LIMIT = 64;
const PAGE = 4096;

const LOAD = 1;
const INTERPRETER = 3;
const NOTE = 4;
/** The note in which a kernel names the entry for PVH: 32-bit, without a boot loader. */
const XEN_PHYS32_ENTRY = 18;

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly fileSize: number;
  readonly memorySize: bigint;
}

export function isElf(bytes: Buffer): boolean {
  return bytes.length >= HEADER_BYTES && bytes.subarray(0, MAGIC.length).equals(MAGIC) && bytes.readUInt16LE(18) === X86_64;
}

/** A program that needs no library of the host: none names a loader to find it. */
export function isStaticProgram(bytes: Buffer): boolean {
  return isElf(bytes) && segmentsOf(bytes).every(({ type }) => type !== INTERPRETER);
}

export function hasPvhEntry(kernel: Buffer): boolean {
  return segmentsOf(kernel).some(({ type, offset, fileSize }) => type === NOTE && hasNote(kernel.subarray(offset, offset + fileSize), 'Xen', XEN_PHYS32_ENTRY));
}

/**
 * The same kernel without what is never loaded: symbols, relocations, and the zeros at a segment's end, which need no
 * place in the file. QEMU keeps the file's segments in its memory for as long as the guest runs.
 */
export function loadable(kernel: Buffer): Buffer {
  const old = segmentsOf(kernel);
  const loads = old.filter(({ type }) => type === LOAD);
  const notes = old.filter(({ type }) => type === NOTE);
  const kept: Segment[] = [];
  let end = PAGE;
  for (const segment of loads) {
    const ofNotes = notes.filter((note) => lies(note, segment)).map((note) => note.offset + note.fileSize - segment.offset);
    const fileSize = Math.max(withoutZeros(kernel.subarray(segment.offset, segment.offset + segment.fileSize)), ...ofNotes);
    kept.push({ ...segment, offset: end, fileSize });
    end += Math.ceil(fileSize / PAGE) * PAGE;
  }
  for (const note of notes) {
    const home = loads.findIndex((segment) => lies(note, segment));
    if (home >= 0) kept.push({ ...note, offset: kept[home]!.offset + note.offset - loads[home]!.offset });
  }
  const image = Buffer.alloc(end);
  kernel.copy(image, 0, 0, HEADER_BYTES);
  image.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  // No section headers: their offset, number and the index of their names.
  image.writeBigUInt64LE(0n, 40);
  image.writeUInt16LE(kept.length, 56);
  image.writeUInt32LE(0, 60);
  kept.forEach((segment, index) => writeSegment(image, HEADER_BYTES + index * SEGMENT_BYTES, segment));
  loads.forEach(({ offset }, index) => kernel.copy(image, kept[index]!.offset, offset, offset + kept[index]!.fileSize));
  return image;
}

/** Throws an `Error` where the file is damaged. */
function segmentsOf(bytes: Buffer): Segment[] {
  if (!isElf(bytes)) throw new Error('it is no ELF file of x86_64');
  const table = Number(bytes.readBigUInt64LE(32));
  const count = bytes.readUInt16LE(56);
  if (bytes.readUInt16LE(54) !== SEGMENT_BYTES || count > SEGMENT_LIMIT || table + count * SEGMENT_BYTES > bytes.length) throw new Error('its table of segments is damaged');
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * SEGMENT_BYTES;
    const segment = {
      type: bytes.readUInt32LE(at),
      flags: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 8)),
      virtual: bytes.readBigUInt64LE(at + 16),
      physical: bytes.readBigUInt64LE(at + 24),
      fileSize: Number(bytes.readBigUInt64LE(at + 32)),
      memorySize: bytes.readBigUInt64LE(at + 40),
    };
    if (segment.offset + segment.fileSize > bytes.length) throw new Error('it is cut off');
    return segment;
  });
}

function lies(note: Segment, within: Segment): boolean {
  return note.offset >= within.offset && note.offset + note.fileSize <= within.offset + within.fileSize;
}

/** The bytes of a section by its name, or null. Throws an `Error` where the file is damaged. */
export function sectionOf(bytes: Buffer, name: string): Buffer | null {
  if (!isElf(bytes)) throw new Error('it is no ELF file of x86_64');
  const table = Number(bytes.readBigUInt64LE(40));
  const count = bytes.readUInt16LE(60);
  if (bytes.readUInt16LE(58) !== SECTION_BYTES || table + count * SECTION_BYTES > bytes.length) throw new Error('its table of sections is damaged');
  const contentOf = (index: number): Buffer => {
    const at = table + index * SECTION_BYTES;
    const offset = Number(bytes.readBigUInt64LE(at + 24));
    return bytes.subarray(offset, offset + Number(bytes.readBigUInt64LE(at + 32)));
  };
  const namesIndex = bytes.readUInt16LE(62);
  const names = namesIndex < count ? contentOf(namesIndex) : Buffer.alloc(0);
  for (let index = 0; index < count; index++) {
    const nameAt = bytes.readUInt32LE(table + index * SECTION_BYTES);
    if (names.toString('latin1', nameAt, nameAt + name.length + 1) === `${name}\0`) return contentOf(index);
  }
  return null;
}

function writeSegment(image: Buffer, at: number, { type, flags, offset, virtual, physical, fileSize, memorySize }: Segment): void {
  image.writeUInt32LE(type, at);
  image.writeUInt32LE(flags, at + 4);
  [BigInt(offset), virtual, physical, BigInt(fileSize), memorySize, BigInt(type === NOTE ? 4 : PAGE)].forEach((value, index) => image.writeBigUInt64LE(value, at + 8 + index * 8));
}

function hasNote(notes: Buffer, name: string, type: number): boolean {
  const padded = (length: number): number => Math.ceil(length / 4) * 4;
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameBytes = notes.readUInt32LE(at);
    const valueBytes = notes.readUInt32LE(at + 4);
    if (notes.readUInt32LE(at + 8) === type && notes.toString('latin1', at + 12, at + 12 + nameBytes).startsWith(name)) return true;
    at += 12 + padded(nameBytes) + padded(valueBytes);
  }
  return false;
}

function withoutZeros(bytes: Buffer): number {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return length;
}
