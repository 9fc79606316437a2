/** The JA4 fingerprint of a TLS client (FoxIO's published scheme, part JA4 alone). */
import { hash } from 'node:crypto';

export interface FingerprintInput {
  /** `t` for TCP, `q` for QUIC. */
  readonly transport: 't' | 'q';
  readonly versions: readonly number[];
  readonly hasServerName: boolean;
  /** GREASE left out of every list. */
  readonly ciphers: readonly number[];
  readonly extensions: readonly number[];
  readonly alpn: readonly string[];
  readonly signatureAlgorithms: readonly number[];
}

const VERSION_CODES: Readonly<Record<number, string>> = { 0x0304: '13', 0x0303: '12', 0x0302: '11', 0x0301: '10', 0x0300: 's3', 0x0002: 's2' };
const SERVER_NAME = 0x0000;
const ALPN = 0x0010;
const EMPTY = '000000000000';

export function ja4(input: FingerprintInput): string {
  const version = VERSION_CODES[Math.max(...input.versions)] ?? '00';
  const head =
    input.transport + version + (input.hasServerName ? 'd' : 'i') + count(input.ciphers) + count(input.extensions) + alpnCode(input.alpn[0]);
  const ciphers = input.ciphers.map(hex).sort().join(',');
  const extensions = input.extensions.filter((type) => type !== SERVER_NAME && type !== ALPN).map(hex).sort().join(',');
  const signatures = input.signatureAlgorithms.map(hex).join(',');
  return `${head}_${digest(ciphers)}_${digest(signatures === '' ? extensions : `${extensions}_${signatures}`)}`;
}

function count(values: readonly number[]): string {
  return String(Math.min(values.length, 99)).padStart(2, '0');
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function digest(text: string): string {
  return text === '' ? EMPTY : hash('sha256', text).slice(0, 12);
}

/** First and last character of the first protocol name, or of its hex form where one is not alphanumeric. */
function alpnCode(name: string | undefined): string {
  if (name === undefined || name === '') return '00';
  const ends = name[0]! + name.at(-1)!;
  if (/^[0-9A-Za-z]{2}$/.test(ends)) return ends;
  const bytes = Buffer.from(name, 'latin1').toString('hex');
  return bytes[0]! + bytes.at(-1)!;
}
