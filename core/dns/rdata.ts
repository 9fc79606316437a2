/**
 * The data of records: which fields a type has, to read the names in them out of a message's compression and to show
 * them in the notation of zone files. A type that is not listed is shown as RFC 3597 has it, and has no names.
 */
import { addressText } from '../names/address.ts';
import { Malformed, nameAt, nameText } from './name.ts';
import { typeName } from './numbers.ts';
import { parametersText } from './service-parameters.ts';

/**
 * `tag` and `string` have a byte of length before them, `salt` and `base32` too; `strings`, `rest`, `hex`, `base64`, `types`
 * and `parameters` take what is left.
 */
type Field = 'u8' | 'u16' | 'u32' | 'time' | 'type' | 'ipv4' | 'ipv6' | 'eui48' | 'eui64' | 'name' | 'tag' | 'string' | 'salt' | 'base32' | 'strings' | 'rest' | 'hex' | 'base64' | 'types' | 'parameters';

const KEY = ['u16', 'u8', 'u8', 'base64'] as const;
const DIGEST = ['u16', 'u8', 'u8', 'hex'] as const;
const TLS = ['u8', 'u8', 'u8', 'hex'] as const;
const SIGNATURE = ['type', 'u8', 'u8', 'u32', 'time', 'time', 'u16', 'name', 'base64'] as const;
const PREFERRED = ['u16', 'name'] as const;
const SERVICE = ['u16', 'name', 'parameters'] as const;

const FIELDS: Readonly<Record<number, readonly Field[]>> = {
  1: ['ipv4'], 2: ['name'], 3: ['name'], 4: ['name'], 5: ['name'], 6: ['name', 'name', 'u32', 'u32', 'u32', 'u32', 'u32'], 7: ['name'], 8: ['name'], 9: ['name'], 12: ['name'],
  13: ['string', 'string'], 14: ['name', 'name'], 15: PREFERRED, 16: ['strings'], 17: ['name', 'name'], 18: PREFERRED, 21: PREFERRED, 24: SIGNATURE, 25: KEY, 26: ['u16', 'name', 'name'],
  28: ['ipv6'], 33: ['u16', 'u16', 'u16', 'name'], 35: ['u16', 'u16', 'string', 'string', 'string', 'name'], 36: PREFERRED, 37: ['u16', 'u16', 'u8', 'base64'], 39: ['name'],
  43: DIGEST, 44: ['u8', 'u8', 'hex'], 46: SIGNATURE, 47: ['name', 'types'], 48: KEY, 49: ['base64'], 50: ['u8', 'u8', 'u16', 'salt', 'base32', 'types'], 51: ['u8', 'u8', 'u16', 'salt'],
  52: TLS, 53: TLS, 59: DIGEST, 60: KEY, 61: ['base64'], 62: ['u32', 'u16', 'types'], 63: ['u32', 'u8', 'u8', 'hex'], 64: SERVICE, 65: SERVICE, 99: ['strings'],
  108: ['eui48'], 109: ['eui64'], 256: ['u16', 'u16', 'rest'], 257: ['u8', 'tag', 'rest'], 32769: DIGEST,
};

/** Bytes: their length is a number of sixteen bits. */
const LONGEST_DATA = 65_535;
const SIZES: Partial<Record<Field, number>> = { u8: 1, u16: 2, type: 2, u32: 4, time: 4, ipv4: 4, eui48: 6, eui64: 8, ipv6: 16 };
const SIZED: readonly Field[] = ['tag', 'string', 'salt', 'base32'];

/** The data between two places of a message, with every name whole. Throws `Malformed` where they are not as their type has them, or too long so. */
export function uncompressedData(type: number, message: Buffer, from: number, end: number): Buffer {
  const fields = FIELDS[type];
  if (!fields?.includes('name')) return message.subarray(from, end);
  const parts: Buffer[] = [];
  let size = 0;
  let at = from;
  for (const field of fields) {
    if (field === 'name') {
      const { name, end: next } = nameAt(message, at);
      parts.push(name);
      size += name.length;
      at = next;
    } else {
      const next = endOf(field, message, at, end);
      parts.push(message.subarray(at, next));
      size += next - at;
      at = next;
    }
    if (at > end) throw new Malformed('the data of a record are cut off');
  }
  if (at !== end) throw new Malformed('the data of a record are too long');
  // A pointer of two bytes may lead to bytes that were read already.
  if (size > LONGEST_DATA) throw new Malformed('the data of a record are longer than 65,535 bytes');
  return Buffer.concat(parts, size);
}

/** Data as `uncompressedData` gives them, in the notation of zone files. Never throws: what is not as its type has it is shown in hex. */
export function dataText(type: number, data: Buffer): string {
  const fields = FIELDS[type];
  try {
    if (fields) return fieldsText(fields, data);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  return data.length === 0 ? '\\# 0' : `\\# ${data.length} ${data.toString('hex')}`;
}

function fieldsText(fields: readonly Field[], data: Buffer): string {
  const words: string[] = [];
  let at = 0;
  for (const field of fields) {
    const end = field === 'name' ? nameAt(data, at).end : endOf(field, data, at, data.length);
    const text = fieldText(field, data.subarray(at, end));
    if (text !== '') words.push(text);
    at = end;
  }
  if (at !== data.length) throw new Malformed('the data of a record are too long');
  return words.join(' ');
}

function endOf(field: Field, message: Buffer, at: number, end: number): number {
  const size = SIZES[field] ?? (SIZED.includes(field) ? 1 + (message[at] ?? 0) : end - at);
  if (size < 0 || at + size > end) throw new Malformed('the data of a record are cut off');
  return at + size;
}

function fieldText(field: Field, bytes: Buffer): string {
  switch (field) {
    case 'u8':
    case 'u16':
    case 'u32':
      return String(bytes.readUIntBE(0, bytes.length));
    case 'time':
      return new Date(bytes.readUInt32BE(0) * 1000).toISOString().replace(/[-:T]|\.000Z/g, '');
    case 'type':
      return typeName(bytes.readUInt16BE(0));
    case 'ipv4':
    case 'ipv6':
      return addressText(bytes);
    case 'eui48':
    case 'eui64':
      return bytes.toString('hex').replace(/(..)(?=.)/g, '$1-');
    case 'name':
      return `${nameText(bytes)}.`;
    case 'tag':
      return bytes.toString('latin1', 1);
    case 'string':
      return quoted(bytes.subarray(1));
    case 'salt':
      return bytes.length === 1 ? '-' : bytes.toString('hex', 1);
    case 'base32':
      return base32(bytes.subarray(1));
    case 'strings':
      return stringsText(bytes);
    case 'rest':
      return quoted(bytes);
    case 'hex':
      return bytes.toString('hex');
    case 'base64':
      return bytes.toString('base64');
    case 'types':
      return typesText(bytes);
    case 'parameters':
      return parametersText(bytes);
  }
}

/** UTF-8 where it is such, as it is read by people; else byte by byte. */
function quoted(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return `"${text.replace(/["\\]|[\0-\x1f\x7f]/g, escaped)}"`;
  return `"${bytes.toString('latin1').replace(/["\\]|[\0-\x1f\x7f-\xff]/g, escaped)}"`;
}

function escaped(char: string): string {
  return char === '"' || char === '\\' ? `\\${char}` : `\\${String(char.charCodeAt(0)).padStart(3, '0')}`;
}

function stringsText(bytes: Buffer): string {
  const strings: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = endOf('string', bytes, at, bytes.length);
    strings.push(quoted(bytes.subarray(at + 1, end)));
    at = end;
  }
  return strings.join(' ');
}

/** RFC 4034, section 4.1.2. */
function typesText(bytes: Buffer): string {
  const types: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes[at + 1];
    if (size === undefined || at + 2 + size > bytes.length) throw new Malformed('a list of types is cut off');
    for (let bit = 0; bit < size * 8; bit++) {
      if (bytes[at + 2 + (bit >> 3)]! & (0x80 >> (bit & 7))) types.push(typeName(bytes[at]! * 256 + bit));
    }
    at += 2 + size;
  }
  return types.join(' ');
}

/** RFC 4648, section 7, without padding, as RFC 5155 has it. */
function base32(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += '0123456789ABCDEFGHIJKLMNOPQRSTUV'[(value >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + '0123456789ABCDEFGHIJKLMNOPQRSTUV'[(value << (5 - bits)) & 31] : text;
}
