/** Unpacks kernels and modules, by the first bytes of what is packed. */
import { spawn } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { findTool } from '../../tools.ts';
import { LZ4_MAGIC, unpackLz4 } from './lz4.ts';

/** No kernel is larger when unpacked. */
export const UNPACKED_LIMIT = 512 * 1024 * 1024;

const TIME_LIMIT_MS = 60_000;

export interface UnpackOptions {
  /** Of what comes out, where the format around the data tells; checked. */
  readonly size?: number | null;
  /** For xz, lzma and bzip2, which Node does not know, where the host has no program for them. */
  readonly busybox?: string | null;
  readonly findProgram?: (name: string) => string | null;
}

type Unpack = (packed: Buffer, options: Required<UnpackOptions>) => Promise<Buffer> | Buffer;

interface Compression {
  readonly name: string;
  readonly magic: Buffer;
  readonly unpack: Unpack;
}

const options = { maxOutputLength: UNPACKED_LIMIT };
const lz4Magic = Buffer.alloc(4);
lz4Magic.writeUInt32LE(LZ4_MAGIC);

const COMPRESSIONS: readonly Compression[] = [
  { name: 'gzip', magic: Buffer.of(0x1f, 0x8b, 0x08), unpack: (packed) => gunzipSync(packed, options) },
  { name: 'zstd', magic: Buffer.of(0x28, 0xb5, 0x2f, 0xfd), unpack: (packed) => zstdDecompressSync(packed, options) },
  {
    name: 'lz4',
    magic: lz4Magic,
    unpack: (packed, { size }) => {
      if (size === null) throw new Error('its size is not known');
      return unpackLz4(packed, size);
    },
  },
  { name: 'xz', magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), unpack: byProgram('xz', 'unxz') },
  { name: 'bzip2', magic: Buffer.from('BZh'), unpack: byProgram('bzip2', 'bunzip2') },
  { name: 'lzma', magic: Buffer.of(0x5d, 0x00, 0x00), unpack: byProgram('xz', 'unlzma') },
];

/** The name of the compression, or null where the bytes look like none that is known. */
export function compressionOf(bytes: Buffer): string | null {
  return find(bytes)?.name ?? null;
}

/** Rejects with an `Error` that says why. */
export async function unpack(packed: Buffer, { size = null, busybox = null, findProgram = findTool }: UnpackOptions = {}): Promise<Buffer> {
  const compression = find(packed);
  if (!compression) throw new Error(`its compression is not known (first bytes ${packed.subarray(0, 4).toString('hex')})`);
  if (size !== null && size > UNPACKED_LIMIT) throw new Error(`it says that it is ${size} bytes when unpacked`);
  let unpacked: Buffer;
  try {
    unpacked = await compression.unpack(packed, { size, busybox, findProgram });
  } catch (error) {
    throw new Error(`its ${compression.name} data cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (size !== null && unpacked.length !== size) throw new Error(`its ${compression.name} data are ${unpacked.length} bytes when unpacked, in place of ${size}`);
  return unpacked;
}

function find(bytes: Buffer): Compression | undefined {
  return COMPRESSIONS.find(({ magic }) => bytes.subarray(0, magic.length).equals(magic));
}

/** By the host's program, or else by busybox, which in Debian does not know the filter for x86 that xz has for kernels. */
function byProgram(name: string, applet: string): Unpack {
  return (packed, { busybox, findProgram }) => {
    const program = findProgram(name);
    if (program === null && busybox === null) throw new Error(`that takes ${name}, which this machine lacks`);
    const [file, args] = program !== null ? [program, ['-d', '-c']] : [busybox!, [applet, '-c']];
    return new Promise((resolve, reject) => {
      const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' });
      const chunks: Buffer[] = [];
      let length = 0;
      let words = '';
      child.stdout.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > UNPACKED_LIMIT) child.kill('SIGKILL');
        else chunks.push(chunk);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (words.length < 1000) words += text;
      });
      child.stdin.on('error', () => undefined); // the exit code tells
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (code === 0) resolve(Buffer.concat(chunks));
        else reject(new Error(words.trim() || (signal ?? `exit code ${code}`)));
      });
      child.stdin.end(packed);
    });
  };
}
