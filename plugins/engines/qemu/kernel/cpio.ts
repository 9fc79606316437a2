/** Archives in cpio's `newc` form, which the kernel unpacks into its first root. */

export interface CpioEntry {
  /** Without a leading slash. A folder comes before what it holds. */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'device';
  /** Permissions. */
  readonly mode?: number;
  /** A file's bytes; of a link, where it leads. */
  readonly data?: Buffer | string;
  /** Of a character device: major and minor number. */
  readonly device?: readonly [number, number];
}

const KINDS = { file: 0o100000, folder: 0o040000, link: 0o120000, device: 0o020000 };
const TRAILER = 'TRAILER!!!';
/**
 * QEMU puts an initramfs as high in memory as whole pages go, and lets go of the last page where the length is a whole
 * number of them. Newer firmware keeps its ACPI tables there, and a kernel that finds the end of an archive in their
 * place never comes up.
 */
const PAGE = 4096;

/** Owned by root and without times, so that the same entries are the same bytes. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap(({ name, kind, mode = kind === 'folder' ? 0o755 : 0o644, data = '', device = [0, 0] }, index) => {
    const bytes = Buffer.from(data as string);
    return record(name, { inode: index + 1, mode: KINDS[kind] | mode, links: kind === 'folder' ? 2 : 1, device, bytes });
  });
  parts.push(...record(TRAILER, { inode: 0, mode: 0, links: 1, device: [0, 0], bytes: Buffer.alloc(0) }));
  const archive = Buffer.concat(parts);
  return Buffer.concat([archive, Buffer.alloc(-archive.length & (PAGE - 1))]);
}

const HEADER_BYTES = 110;
const FIELD_BYTES = 8;
const SIZE_FIELD = 6;
const NAME_FIELD = 11;

/** The contents of an archive by name. Throws an `Error` where it is damaged. */
export function cpioContents(archive: Buffer): Map<string, Buffer> {
  const contents = new Map<string, Buffer>();
  for (let at = 0; at + HEADER_BYTES <= archive.length; ) {
    const field = (index: number): number => Number.parseInt(archive.toString('latin1', at + 6 + index * FIELD_BYTES, at + 6 + (index + 1) * FIELD_BYTES), 16);
    const [size, nameBytes] = [field(SIZE_FIELD), field(NAME_FIELD)];
    if (archive.toString('latin1', at, at + 6) !== '070701' || !(size >= 0) || !(nameBytes > 0)) break;
    const name = archive.toString('latin1', at + HEADER_BYTES, at + HEADER_BYTES + nameBytes - 1);
    if (name === TRAILER) return contents;
    const start = (at + HEADER_BYTES + nameBytes + 3) & ~3;
    contents.set(name, archive.subarray(start, start + size));
    at = (start + size + 3) & ~3;
  }
  throw new Error('the archive has no end');
}

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly device: readonly [number, number];
  readonly bytes: Buffer;
}

function record(name: string, { inode, mode, links, device, bytes }: Header): Buffer[] {
  const path = Buffer.from(`${name}\0`);
  // inode, mode, uid, gid, links, time, size, device (2), device node (2), length of the name, checksum
  const fields = [inode, mode, 0, 0, links, 0, bytes.length, 0, 0, ...device, path.length, 0];
  const head = Buffer.concat([Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`), path]);
  return [head, padding(head.length), bytes, padding(bytes.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}
