/** Small kernels for tests, of the form of real ones. */
import { Seed } from '../../../../stage/seed.ts';

export const RELEASE = '6.1.0-0-test-amd64';

const PAGE = 4096;

/** An ELF file with a segment, zeros at the segment's end, the note by which QEMU boots it, and bytes that are not loaded. */
export function vmlinux({ pvh = true, release = RELEASE } = {}): Buffer {
  const code = Buffer.alloc(64 * 1024);
  new Seed(7).bytes(32 * 1024).copy(code);
  code.write(`Linux version %s\0`, 40 * 1024, 'latin1');
  code.write(`Linux version ${release} (somebody) #1\0`, 41 * 1024, 'latin1');
  const note = Buffer.alloc(24);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(8, 4);
  note.writeUInt32LE(pvh ? 18 : 6, 8);
  note.write('Xen\0', 12, 'latin1');
  note.copy(code, 48 * 1024);
  const head = Buffer.alloc(PAGE);
  Buffer.from('\x7fELF\x02\x01\x01', 'latin1').copy(head);
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(0x1000000n, 24);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(2, 56);
  segment(head, 64, 1, PAGE, code.length);
  segment(head, 64 + 56, 4, PAGE + 48 * 1024, note.length);
  return Buffer.concat([head, code, Buffer.from('symbols that nobody loads')]);
}

function segment(head: Buffer, at: number, type: number, offset: number, size: number): void {
  head.writeUInt32LE(type, at);
  head.writeBigUInt64LE(BigInt(offset), at + 8);
  head.writeBigUInt64LE(BigInt(size), at + 32);
  head.writeBigUInt64LE(BigInt(size), at + 40);
}

/** A boot loader's header before a payload, as a kernel's own build puts them together. */
export function bzImage(payload: Buffer, { release = RELEASE, flags = 1 } = {}): Buffer {
  const setup = Buffer.alloc(4 * 512);
  setup[0x1f1] = 3;
  setup.writeUInt16LE(0xaa55, 0x1fe);
  setup.write('HdrS', 0x202, 'latin1');
  setup.writeUInt16LE(0x20f, 0x206);
  setup.writeUInt16LE(0x400, 0x20e);
  setup.writeUInt16LE(flags, 0x236);
  setup.writeUInt32LE(100, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  setup.write(`${release} (somebody) #1 SMP\0`, 0x600, 'latin1');
  return Buffer.concat([setup, Buffer.alloc(100, 0x90), payload, Buffer.alloc(64)]);
}

/** The build appends to every compression but gzip the size of what comes out. */
export function withSize(packed: Buffer, size: number): Buffer {
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(size);
  return Buffer.concat([packed, tail]);
}

