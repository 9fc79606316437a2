/** Reads a TLS ClientHello from the first bytes of a connection (RFC 8446, section 4.1.2; RFC 6066 for the server name). */
import { canonicalHost } from '../names/host.ts';
import type { ClientHello } from '../flow.ts';
import { Cursor } from './cursor.ts';
import { ja4 } from './ja4.ts';

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MAX_HELLO_BYTES = 64 * 1024;
/** Some clients spread their hello over a few records; hundreds are made to keep a reader busy. */
const MAX_RECORDS = 256;

const EXTENSION = { serverName: 0, groups: 10, signatureAlgorithms: 13, alpn: 16, versions: 43, encryptedClientHello: 0xfe0d } as const;

/** `need-more`: the hello is not complete yet. `invalid`: no ClientHello will come of these bytes. */
export type HelloReading = ClientHello | 'need-more' | 'invalid';

export function readClientHello(bytes: Buffer): HelloReading {
  const message = handshakeBytes(bytes);
  return typeof message === 'string' ? message : readHello(message, 't');
}

/** The form that QUIC carries: the handshake message as far as it has come, in no record (RFC 9001, section 4). */
export function readQuicHello(bytes: Buffer): HelloReading {
  if (bytes.length > 0 && bytes[0] !== CLIENT_HELLO) return 'invalid';
  if (bytes.length < 4) return 'need-more';
  const wanted = 4 + bytes.readUIntBE(1, 3);
  if (wanted > MAX_HELLO_BYTES) return 'invalid';
  return bytes.length < wanted ? 'need-more' : readHello(bytes.subarray(0, wanted), 'q');
}

function readHello(message: Buffer, transport: 't' | 'q'): ClientHello | 'invalid' {
  const hello = new Cursor(message, 4);
  const legacyVersion = hello.uint(2);
  hello.skip(32);
  hello.vector(1);
  const ciphers = hello.vector(2).uint16s();
  hello.vector(1);
  if (hello.broken) return 'invalid';

  const extensions: number[] = [];
  let sni: string | null = null;
  let alpn: string[] = [];
  let versions: number[] = [];
  let groups: number[] = [];
  let signatureAlgorithms: number[] = [];
  let ech = false;
  const list = hello.left > 0 ? hello.vector(2) : hello;
  while (list.left > 0) {
    const type = list.uint(2);
    const data = list.vector(2);
    if (list.broken) return 'invalid';
    extensions.push(type);
    if (type === EXTENSION.serverName) sni = serverName(data);
    else if (type === EXTENSION.alpn) alpn = protocolNames(data);
    else if (type === EXTENSION.versions) versions = data.vector(1).uint16s();
    else if (type === EXTENSION.groups) groups = data.vector(2).uint16s();
    else if (type === EXTENSION.signatureAlgorithms) signatureAlgorithms = data.vector(2).uint16s();
    else if (type === EXTENSION.encryptedClientHello) ech = true;
  }
  const hasServerName = extensions.includes(EXTENSION.serverName);
  const known = versions.filter(isNotGrease);
  const seen = known.length > 0 ? known : [legacyVersion];
  return {
    sni,
    alpn,
    versions: seen,
    ciphers: ciphers.filter(isNotGrease),
    groups: groups.filter(isNotGrease),
    signatureAlgorithms,
    ech,
    ja4: ja4({ transport, versions: seen, hasServerName, ciphers: ciphers.filter(isNotGrease), extensions: extensions.filter(isNotGrease), alpn, signatureAlgorithms: signatureAlgorithms.filter(isNotGrease) }),
  };
}

/** The handshake message, put together from the records it is spread over (RFC 8446, section 5.1). */
function handshakeBytes(bytes: Buffer): Buffer | 'need-more' | 'invalid' {
  const parts: Buffer[] = [];
  let have = 0;
  let wanted = 0;
  for (let at = 0; parts.length < MAX_RECORDS; ) {
    if (!isHandshakeRecord(bytes, at)) return 'invalid';
    if (bytes.length < at + 5) return 'need-more';
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    const part = bytes.subarray(at + 5, end);
    parts.push(part);
    have += part.length;
    if (wanted === 0 && have > 0) {
      const head = Buffer.concat(parts);
      if (head[0] !== CLIENT_HELLO) return 'invalid';
      if (have >= 4) wanted = 4 + head.readUIntBE(1, 3);
      if (wanted > MAX_HELLO_BYTES) return 'invalid';
    }
    if (wanted > 0 && have >= wanted) return (parts.length === 1 ? part : Buffer.concat(parts)).subarray(0, wanted);
    if (bytes.length < end) return 'need-more';
    at = end;
  }
  return 'invalid';
}

/** Whether the bytes, as far as they have come, are the head of a record of the handshake that is not empty. */
function isHandshakeRecord(bytes: Buffer, at: number): boolean {
  const left = bytes.length - at;
  if (left > 0 && bytes[at] !== HANDSHAKE_RECORD) return false;
  if (left > 1 && bytes[at + 1] !== 3) return false;
  return left < 5 || bytes.readUInt16BE(at + 3) > 0;
}

function serverName(data: Cursor): string | null {
  const names = data.vector(2);
  while (names.left > 0) {
    const type = names.uint(1);
    const name = names.vector(2);
    // A name that is no host stays visible as it is: a rule must be able to refuse it.
    if (type === 0 && !names.broken) return canonicalHost(name.text()) ?? name.text();
  }
  return null;
}

function protocolNames(data: Cursor): string[] {
  const names: string[] = [];
  const list = data.vector(2);
  while (list.left > 0) {
    const name = list.vector(1).text();
    if (!list.broken && !isGreaseName(name)) names.push(name);
  }
  return names;
}

/** Reserved values that clients send to keep servers honest (RFC 8701). */
function isNotGrease(value: number): boolean {
  return (value & 0x0f0f) !== 0x0a0a || value >> 8 !== (value & 0xff);
}

function isGreaseName(name: string): boolean {
  return name.length === 2 && !isNotGrease((name.charCodeAt(0) << 8) | name.charCodeAt(1));
}
