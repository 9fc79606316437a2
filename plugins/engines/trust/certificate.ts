/** Certificates as trust stores need them: PEM to DER, and OpenSSL's name of a certificate in a hash directory. */
import { createHash } from 'node:crypto';

const PEM_BLOCK = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END (?:TRUSTED )?CERTIFICATE-----/g;

/** The DER of every certificate in a PEM bundle, in order. Text between the blocks is ignored. */
export function certificatesOf(pem: string): Buffer[] {
  return Array.from(pem.matchAll(PEM_BLOCK), ([, base64 = '']) => Buffer.from(base64, 'base64'));
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly whole: Buffer;
}

/** The DER elements that lie one after the other in `bytes` (X.690, definite lengths and low tags only). */
function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let start = 0; start < bytes.length; ) {
    const tag = bytes.readUInt8(start);
    let offset = start + 2;
    let length = bytes.readUInt8(start + 1);
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 4) throw new Error('not DER: indefinite or huge length');
      length = bytes.readUIntBE(offset, size);
      offset += size;
    }
    if (offset + length > bytes.length) throw new Error('not DER: an element ends beyond its parent');
    found.push({ tag, content: bytes.subarray(offset, offset + length), whole: bytes.subarray(start, offset + length) });
    start = offset + length;
  }
  return found;
}

function encode(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

/** The DER of the subject's RDNSequence. */
function subjectOf(der: Buffer): Element {
  const fields = elements(elements(elements(der)[0]!.content)[0]!.content);
  // TBSCertificate: [0] version (absent in v1), serial, algorithm, issuer, validity, subject (RFC 5280, 4.1).
  const subject = fields[fields[0]!.tag === 0xa0 ? 5 : 4];
  if (!subject) throw new Error('not a certificate: no subject');
  return subject;
}

const UTF8_STRING = 0x0c;

/** Text of the string types that OpenSSL folds when it compares names; null for any other type. */
function foldedText({ tag, content }: Element): string | null {
  switch (tag) {
    case UTF8_STRING:
      return content.toString('utf8');
    case 0x13: // PrintableString
    case 0x14: // T61String
    case 0x16: // IA5String
    case 0x1a: // VisibleString
      return content.toString('latin1');
    case 0x1e: // BMPString
      return Buffer.from(content).swap16().toString('utf16le');
    default:
      return null;
  }
}

function canonicalAttribute(attribute: Element): Buffer {
  const [type, value] = elements(attribute.content);
  if (!type || !value) throw new Error('not DER: an attribute lacks its value');
  const text = foldedText(value);
  if (text === null) return attribute.whole;
  const folded = text.replace(/[ \t\n\v\f\r]+/g, ' ').replace(/^ | $/g, '').replace(/[A-Z]+/g, (part) => part.toLowerCase());
  return encode(0x30, Buffer.concat([type.whole, encode(UTF8_STRING, Buffer.from(folded, 'utf8'))]));
}

/**
 * The file name, without its number, under which OpenSSL looks a certificate up in a hash directory:
 * the first four bytes, little-endian, of the SHA-1 of the canonical subject (X509_NAME_hash_ex).
 */
export function subjectHash(der: Buffer): string {
  const names = elements(subjectOf(der).content).map((set) => {
    const attributes = elements(set.content).map(canonicalAttribute).toSorted(Buffer.compare);
    return encode(0x31, Buffer.concat(attributes));
  });
  const digest = createHash('sha1').update(Buffer.concat(names)).digest();
  return digest.readUInt32LE(0).toString(16).padStart(8, '0');
}
