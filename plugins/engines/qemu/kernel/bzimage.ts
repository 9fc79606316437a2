/** The kernel files of distributions (`vmlinuz`): a boot loader's header, and the kernel itself packed within. */
import { unpack } from './compression.ts';
import { hasPvhEntry, isElf, loadable } from './elf.ts';

const BOOT_FLAG = 0xaa55;
const HEADER = 'HdrS';
/** The version of the boot protocol that first tells where the payload is. */
const PAYLOAD_VERSION = 0x0208;
const SECTOR = 512;
const HEADER_END = 0x268;
const FOR_64_BIT = 1;

export interface KernelFile {
  /** `uname -r` of a guest that runs it. */
  readonly release: string;
  /** What QEMU boots. */
  readonly image: Buffer;
  /** `vmlinux` boots faster, for nothing has to be unpacked in the guest; null where it is one, else why it could not be had. */
  readonly packedBecause: string | null;
}

/** Throws an `Error` that says why the bytes are no kernel that QEMU could boot. */
export async function readKernel(bytes: Buffer, busybox: string | null): Promise<KernelFile> {
  if (isElf(bytes)) {
    if (!hasPvhEntry(bytes)) throw new Error('it is a vmlinux without a PVH entry (CONFIG_PVH), so QEMU cannot boot it; name its bzImage (vmlinuz)');
    return { release: releaseWithin(bytes), image: loadable(bytes), packedBecause: null };
  }
  const release = releaseOf(bytes);
  try {
    const vmlinux = await unpackBzImage(bytes, busybox);
    if (!hasPvhEntry(vmlinux)) throw new Error('it has no PVH entry (CONFIG_PVH)');
    return { release, image: loadable(vmlinux), packedBecause: null };
  } catch (error) {
    return { release, image: bytes, packedBecause: error instanceof Error ? error.message : String(error) };
  }
}

/** The release that the header of a bzImage names. Throws an `Error` where the bytes are none, or for another machine. */
export function releaseOf(bytes: Buffer): string {
  if (bytes.length < HEADER_END || bytes.readUInt16LE(0x1fe) !== BOOT_FLAG || bytes.toString('latin1', 0x202, 0x206) !== HEADER) {
    throw new Error('it is neither a bzImage (vmlinuz) nor a vmlinux of x86_64');
  }
  if ((bytes.readUInt16LE(0x236) & FOR_64_BIT) === 0) throw new Error('it is a kernel for 32-bit machines');
  const at = 0x200 + bytes.readUInt16LE(0x20e);
  return checkedRelease(/^\S+/.exec(textAt(bytes, at))?.[0]);
}

/** The kernel within a bzImage, as an ELF file. */
async function unpackBzImage(bytes: Buffer, busybox: string | null): Promise<Buffer> {
  if (bytes.readUInt16LE(0x206) < PAYLOAD_VERSION) throw new Error('its boot protocol does not tell where the payload is');
  const setup = ((bytes[0x1f1] || 4) + 1) * SECTOR;
  const start = setup + bytes.readUInt32LE(0x248);
  const length = bytes.readUInt32LE(0x24c);
  if (length < 8 || start + length > bytes.length) throw new Error('its payload is cut off');
  const payload = bytes.subarray(start, start + length);
  // Behind every compression stands the size of what comes out; gzip ends with it by itself.
  const size = payload.readUInt32LE(length - 4);
  const isGzip = payload[0] === 0x1f && payload[1] === 0x8b;
  const kernel = await unpack(isGzip ? payload : payload.subarray(0, -4), { size, busybox });
  if (!isElf(kernel)) throw new Error('its payload is no ELF file of x86_64');
  return kernel;
}

function releaseWithin(vmlinux: Buffer): string {
  const banner = 'Linux version ';
  let at = vmlinux.indexOf(banner);
  // The words stand in formats too, without a release behind them.
  while (at >= 0 && !/^\d/.test(textAt(vmlinux, at + banner.length))) at = vmlinux.indexOf(banner, at + 1);
  return checkedRelease(at < 0 ? undefined : /^\S+/.exec(textAt(vmlinux, at + banner.length))?.[0]);
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, at + 256).split('\0')[0]!;
}

/** It becomes part of paths. */
function checkedRelease(release: string | undefined): string {
  if (release === undefined || !/^\d+\.\d+[\w.+~-]*$/.test(release) || release.length > 64) throw new Error('it does not tell its release');
  return release;
}
