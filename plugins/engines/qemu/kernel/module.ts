/** One module of a kernel: unpacked, and with what it says of itself. */
import { compressionOf, unpack } from './compression.ts';
import { isElf, sectionOf } from './elf.ts';

export interface KernelModule {
  readonly bytes: Buffer;
  /** Normalised names of the modules that have to be there before it. */
  readonly depends: readonly string[];
  /** The release of the kernel that it was made for. */
  readonly release: string;
}

/** The kernel makes no difference between the two. */
export function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

/**
 * `bytes` may be packed as distributions do it. Throws an `Error` that says what is wrong.
 * `keepSignature`: for kernels that refuse modules without.
 */
export async function readModule(bytes: Buffer, { busybox, keepSignature }: { busybox: string | null; keepSignature: boolean }): Promise<KernelModule> {
  const whole = compressionOf(bytes) === null ? bytes : await unpack(bytes, { busybox });
  if (!isElf(whole)) throw new Error('it is no module of x86_64');
  const info = modinfoOf(whole);
  return {
    bytes: keepSignature ? whole : withoutSignature(whole),
    depends: (info.get('depends') ?? '').split(',').filter((name) => name !== '').map(moduleName),
    release: (info.get('vermagic') ?? '').split(' ')[0]!,
  };
}

function modinfoOf(module: Buffer): Map<string, string> {
  const section = sectionOf(module, '.modinfo');
  if (section === null) throw new Error('it says nothing of itself (.modinfo)');
  const lines = section.toString('latin1').split('\0').filter((line) => line.includes('='));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

const SIGNATURE_END = Buffer.from('~Module signature appended~\n');
/** Behind the signature: kinds, lengths of the signer's name and key (both 0 nowadays), length of the signature. */
const SIGNATURE_INFO_BYTES = 12;

/**
 * Verifying a signature takes the guest milliseconds for each module, and what is checked comes from the same package as
 * the kernel that checks. Without one the kernel calls itself tainted, and nothing else differs.
 */
export function withoutSignature(module: Buffer): Buffer {
  const info = module.length - SIGNATURE_END.length - SIGNATURE_INFO_BYTES;
  if (info < 0 || !module.subarray(-SIGNATURE_END.length).equals(SIGNATURE_END)) return module;
  const length = module.readUInt32BE(info + 8) + module[info + 3]! + module[info + 4]!;
  return length > info ? module : module.subarray(0, info - length);
}
