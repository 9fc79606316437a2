/** Credentials in protocols of packets: PostgreSQL, MySQL, LDAP and MQTT. What does not read as its protocol is not shown. */
import type { Direction, Span } from './span.ts';

const SSL_REQUESTS: ReadonlySet<number> = new Set([80877103, 80877104]);
const CANCEL_REQUEST = 80877102;

/** Messages of PostgreSQL ("Frontend/Backend Protocol", section "Message Formats"): those of type `p`, whatever they answer. */
export function messagesOf(text: string, direction: Direction): Span[] | null {
  if (direction === 'down') return [];
  const bytes = Buffer.from(text, 'latin1');
  const spans: Span[] = [];
  let at = 0;
  for (let begun = false; !begun && at + 8 <= bytes.length; ) {
    const [size, code] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    if (size < 8) return null;
    if (code === CANCEL_REQUEST) spans.push({ start: at + 12, end: at + size });
    begun = !SSL_REQUESTS.has(code) && code !== CANCEL_REQUEST;
    if (begun && code >>> 16 !== 3) return null;
    at += size;
  }
  while (at + 5 <= bytes.length) {
    const [type, size] = [text[at]!, bytes.readUInt32BE(at + 1)];
    if (!/[BCDEFHPQSXcdfp]/.test(type) || size < 4) return null;
    if (type === 'p') spans.push({ start: at + 5, end: at + 1 + size });
    at += 1 + size;
  }
  return spans;
}

const CHANGE_USER = 0x11;

/** Packets of MySQL: a client's commands begin with number 0, and what it sends under another number answers for who it is. */
export function packetsOf(text: string, direction: Direction): Span[] {
  const spans: Span[] = [];
  if (direction === 'down') return spans;
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at + 4 < bytes.length; at += 4 + bytes.readUIntLE(at, 3)) {
    if (bytes[at + 3] !== 0 || bytes[at + 4] === CHANGE_USER) spans.push({ start: at + 4, end: at + 4 + bytes.readUIntLE(at, 3) });
  }
  return spans;
}

const BIND = 0x60;
const BIND_ANSWER = 0x61;
const PASSWORD = /userPassword|unicodePwd|sambaNTPassword|1\.3\.6\.1\.4\.1\.4203\.1\.11\.1/i;

/** Messages of LDAP (RFC 4511): what a bind shows after its name, and operations on passwords. */
export function bindsOf(text: string): Span[] | null {
  const bytes = Buffer.from(text, 'latin1');
  const spans: Span[] = [];
  for (let at = 0; at < bytes.length; ) {
    const message = element(bytes, at, 0x30);
    const id = message && element(bytes, message.start, 0x02);
    const operation = id && element(bytes, id.end, null);
    if (!operation) return at + 16 > bytes.length ? [...spans, { start: at, end: bytes.length }] : null;
    if (bytes[id.end] === BIND) {
      const version = element(bytes, operation.start, 0x02);
      const name = version && element(bytes, version.end, 0x04);
      spans.push({ start: name ? name.end : operation.start, end: message.end });
    } else if (bytes[id.end] === BIND_ANSWER || PASSWORD.test(text.slice(operation.start, operation.end))) {
      spans.push(operation);
    }
    at = message.end;
  }
  return spans;
}

/** The content of an element of BER with a definite length; it may go on after the end of the bytes. */
function element(bytes: Buffer, at: number, tag: number | null): Span | null {
  if (at + 2 > bytes.length || (tag !== null && bytes[at] !== tag)) return null;
  const first = bytes[at + 1]!;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  if (count === 0 || count > 4 || at + 2 + count > bytes.length) return null;
  const start = at + 2 + count;
  return { start, end: start + bytes.readUIntBE(at + 2, count) };
}

const CONNECT = 1;
const AUTH = 15;
const MQTT_5 = 5;

/** Packets of MQTT (version 5.0, sections 3.1 and 3.15): what follows the client's id in CONNECT, and AUTH. */
export function connectOf(text: string, direction: Direction): Span[] | null {
  const bytes = Buffer.from(text, 'latin1');
  const spans: Span[] = [];
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at]! >> 4;
    const content = variable(bytes, at + 1);
    if (content === null) return at + 5 > bytes.length ? spans : null;
    if (type === AUTH) spans.push(content);
    if (type === CONNECT && direction === 'up') {
      const secret = afterClientId(bytes, content);
      if (secret === null) return null;
      spans.push(secret);
    }
    at = content.end;
  }
  return spans;
}

/** Will, user and password; with the properties of version 5, which may hold a method's data. */
function afterClientId(bytes: Buffer, { start, end }: Span): Span | null {
  if (start + 2 > bytes.length) return null;
  const level = start + 2 + bytes.readUInt16BE(start);
  if (level + 4 > bytes.length) return null;
  if (bytes[level] === MQTT_5) return { start: level + 4, end };
  if (level + 6 > bytes.length) return null;
  return { start: level + 6 + bytes.readUInt16BE(level + 4), end };
}

/** What comes after a length of up to four bytes of seven bits. */
function variable(bytes: Buffer, at: number): Span | null {
  for (let size = 0, shift = 0; shift < 28 && at < bytes.length; shift += 7, at++) {
    size |= (bytes[at]! & 0x7f) << shift;
    if (bytes[at]! < 0x80) return { start: at + 1, end: at + 1 + size };
  }
  return null;
}
