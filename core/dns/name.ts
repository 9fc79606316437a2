/** Names of DNS: in wire format as bytes, in text as zone files have them (RFC 1035, sections 3.1, 4.1.4 and 5.1). */

/** The message, or a part of it, breaks its format. */
export class Malformed extends Error {}

const LONGEST_NAME = 255;
/** As many as the longest name has labels. A message of nothing but pointers would take half a second to read. */
const MAX_POINTERS = 127;
const ROOT = Buffer.from([0]);

/** A name without compression, and where what follows it begins. Throws `Malformed`. */
export function nameAt(message: Buffer, start: number): { readonly name: Buffer; readonly end: number } {
  const parts: Buffer[] = [];
  let size = 0;
  let end = -1;
  let at = start;
  /** A pointer leads to what came before it, so that no chain of them goes on for ever. */
  let bound = start;
  let pointers = 0;
  for (;;) {
    const length = message[at];
    if (length === undefined) throw new Malformed('a name is cut off');
    if (length < 0x40) {
      const next = at + 1 + length;
      if (next > message.length) throw new Malformed('a name is cut off');
      parts.push(message.subarray(at, next));
      size += 1 + length;
      if (size > LONGEST_NAME) throw new Malformed('a name is longer than 255 bytes');
      at = next;
      if (length === 0) return { name: Buffer.concat(parts, size), end: end < 0 ? at : end };
      continue;
    }
    const low = message[at + 1];
    if (length < 0xc0 || low === undefined) throw new Malformed('a label has no length');
    if (end < 0) end = at + 2;
    at = ((length & 0x3f) << 8) | low;
    if (at >= bound) throw new Malformed('a pointer leads forwards');
    if (++pointers > MAX_POINTERS) throw new Malformed('a name has more pointers than labels');
    bound = at;
  }
}

/** Without the root's dot; the root itself is empty. What is not plain is escaped. */
export function nameText(name: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; name[at]! > 0; at += name[at]! + 1) {
    labels.push(name.toString('latin1', at + 1, at + 1 + name[at]!).replace(/["$().;@\\]|[^\x21-\x7e]/g, escaped));
  }
  return labels.join('.');
}

function escaped(char: string): string {
  const code = char.charCodeAt(0);
  return code > 0x20 && code < 0x7f ? `\\${char}` : `\\${String(code).padStart(3, '0')}`;
}

/** The name of a plain text, such as a host's. Throws `Malformed` for what is none. */
export function nameBytes(text: string): Buffer {
  if (text === '') return ROOT;
  const parts = text.split('.').map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    if (bytes.length === 0 || bytes.length > 63) throw new Malformed('a label has 1 to 63 bytes');
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const name = Buffer.concat([...parts, ROOT]);
  if (name.length > LONGEST_NAME) throw new Malformed('a name is longer than 255 bytes');
  return name;
}

/** Names are compared without regard to the case of ASCII letters (RFC 4343). */
export function sameNames(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && lowerCase(a.toString('latin1')) === lowerCase(b.toString('latin1'));
}

/** Of ASCII letters alone. */
export function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
