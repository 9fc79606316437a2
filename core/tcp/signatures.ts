/** Tells what a connection speaks by the first bytes of either side. One table; what it does not know stays unknown. */

/** Bytes of each side that are looked at. */
export const SIGNATURE_BYTES = 512;

export interface Beginnings {
  readonly client: Buffer;
  readonly server: Buffer;
  /** Who spoke first; null while nobody has. */
  readonly first: 'client' | 'server' | null;
}

interface Signature {
  readonly protocol: string;
  readonly from: 'client' | 'server';
  /** Only where that side spoke first. */
  readonly opens?: true;
  readonly matches: RegExp | ((bytes: Buffer) => boolean);
}

const LDAP_BIND = 0x60;
const LDAP_SEARCH = 0x63;
const LDAP_EXTENDED = 0x77;
const MONGO_OPCODES: ReadonlySet<number> = new Set([2004, 2012, 2013]);
const POSTGRES_REQUESTS: ReadonlySet<number> = new Set([80877102, 80877103, 80877104]);

/** The first that matches counts. Texts are matched as latin1. */
const SIGNATURES: readonly Signature[] = [
  { protocol: 'ssh', from: 'server', matches: /^SSH-\d\.\d+-/ },
  { protocol: 'ssh', from: 'client', matches: /^SSH-\d\.\d+-/ },
  { protocol: 'smtp', from: 'server', opens: true, matches: /^220[ -][^\r\n]*\b(?:E?SMTP|LMTP)\b/i },
  { protocol: 'ftp', from: 'server', opens: true, matches: /^220[ -][^\r\n]*FTP/i },
  { protocol: 'nntp', from: 'server', opens: true, matches: /^20[01] [^\r\n]*(?:NNTP|NNRP|INN|news)/i },
  { protocol: 'imap', from: 'server', opens: true, matches: /^\* (?:OK|PREAUTH|BYE)\b/ },
  { protocol: 'pop3', from: 'server', opens: true, matches: /^\+OK\b/ },
  { protocol: 'mysql', from: 'server', opens: true, matches: isMysqlGreeting },
  { protocol: 'rfb', from: 'server', opens: true, matches: /^RFB \d{3}\.\d{3}\n/ },
  { protocol: 'rsync', from: 'server', matches: /^@RSYNCD: / },
  { protocol: 'nats', from: 'server', opens: true, matches: /^INFO \{/ },
  { protocol: 'telnet', from: 'server', opens: true, matches: (bytes) => bytes[0] === 0xff && bytes[1]! >= 0xfb && bytes[1]! <= 0xfe },
  { protocol: 'postgresql', from: 'client', matches: isPostgresRequest },
  { protocol: 'redis', from: 'client', opens: true, matches: /^\*\d{1,7}\r\n\$\d{1,9}\r\n/ },
  { protocol: 'git', from: 'client', opens: true, matches: /^[0-9a-f]{4}git-(?:upload-pack|receive-pack|upload-archive) / },
  { protocol: 'mongodb', from: 'client', opens: true, matches: isMongoMessage },
  { protocol: 'amqp', from: 'client', opens: true, matches: /^AMQP[\x00-\x03]/ },
  { protocol: 'mqtt', from: 'client', opens: true, matches: (bytes) => bytes[0] === 0x10 && /^(?:\x00\x04MQTT|\x00\x06MQIsdp)/.test(bytes.toString('latin1', 2, 12)) },
  { protocol: 'stomp', from: 'client', opens: true, matches: /^(?:CONNECT|STOMP)\r?\n/ },
  { protocol: 'ldap', from: 'client', opens: true, matches: isLdapRequest },
  { protocol: 'xmpp', from: 'client', opens: true, matches: /^(?:\s*<\?xml[^>]*>)?\s*<stream:stream\b/ },
  { protocol: 'kafka', from: 'client', opens: true, matches: isKafkaRequest },
  { protocol: 'tds', from: 'client', opens: true, matches: (bytes) => bytes.length >= 8 && bytes[0] === 0x12 && bytes[1] === 1 && bytes.readUInt16BE(2) <= 4096 && bytes.readUInt16BE(4) === 0 },
  { protocol: 'cassandra', from: 'client', opens: true, matches: (bytes) => bytes.length >= 9 && bytes[0]! >= 3 && bytes[0]! <= 5 && (bytes[4] === 1 || bytes[4] === 5) && bytes.readUInt32BE(5) < 4096 },
  { protocol: 'rdp', from: 'client', opens: true, matches: (bytes) => bytes.length >= 6 && bytes[0] === 3 && bytes[1] === 0 && bytes[5] === 0xe0 },
  { protocol: 'smb', from: 'client', opens: true, matches: /^\x00[^]{3}[\xfe\xff]SMB/ },
  { protocol: 'bittorrent', from: 'client', opens: true, matches: /^\x13BitTorrent protocol/ },
  { protocol: 'irc', from: 'client', opens: true, matches: /^(?:CAP (?:LS|REQ)\b|NICK \S+\r?\n|PASS [^\r\n]*\r?\nNICK )/ },
  { protocol: 'memcached', from: 'client', opens: true, matches: /^(?:(?:gets?|mg|ms|delete|incr|decr|set|add|replace|touch) \S[^\r\n]*|stats(?: \w+)?|version|flush_all)\r\n/ },
  // Greetings that name no protocol: the client's first command does.
  { protocol: 'smtp', from: 'client', matches: /^(?:EHLO|HELO|LHLO) /i },
  { protocol: 'ftp', from: 'client', matches: /^(?:USER [^\r\n]+|AUTH (?:TLS|SSL)|FEAT)\r\n/i },
];

/** The name of the protocol, or null where the bytes so far do not tell it. */
export function detectProtocol({ client, server, first }: Beginnings): string | null {
  const texts = { client: client.toString('latin1', 0, SIGNATURE_BYTES), server: server.toString('latin1', 0, SIGNATURE_BYTES) };
  const bytes = { client, server };
  for (const { protocol, from, opens, matches } of SIGNATURES) {
    if (texts[from] === '' || (opens && first !== from)) continue;
    if (typeof matches === 'function' ? matches(bytes[from]) : matches.test(texts[from])) return protocol;
  }
  return null;
}

/** Protocol 10: a packet of its own length with number 0, and a version as text. */
function isMysqlGreeting(bytes: Buffer): boolean {
  return bytes.length >= 8 && bytes.readUIntLE(0, 3) < 1024 && bytes[3] === 0 && bytes[4] === 10 && /^\d{1,2}\.\d/.test(bytes.toString('latin1', 5, 9));
}

/** SSLRequest, GSSENCRequest, CancelRequest, or a StartupMessage of version 3. */
function isPostgresRequest(bytes: Buffer): boolean {
  if (bytes.length < 8 || bytes.readUInt32BE(0) > 10_000) return false;
  const code = bytes.readUInt32BE(4);
  return POSTGRES_REQUESTS.has(code) || (code >>> 16 === 3 && (bytes.length < 13 || /^\w+\0/.test(bytes.toString('latin1', 8, 40))));
}

function isMongoMessage(bytes: Buffer): boolean {
  return bytes.length >= 16 && bytes.readUInt32LE(0) >= 16 && bytes.readUInt32LE(0) <= 48_000_000 && bytes.readUInt32LE(8) === 0 && MONGO_OPCODES.has(bytes.readUInt32LE(12));
}

/** LDAPMessage (RFC 4511, section 4.1.1) with a bind, a search or an extended request. */
function isLdapRequest(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false;
  const at = bytes[1]! < 0x80 ? 2 : 2 + (bytes[1]! & 0x7f);
  const length = bytes[at + 1]!;
  if (bytes[at] !== 2 || length < 1 || length > 4) return false;
  const request = bytes[at + 2 + length];
  return request === LDAP_BIND || request === LDAP_SEARCH || request === LDAP_EXTENDED;
}

/** A first request of ApiVersions or Metadata with a client id that can be read. */
function isKafkaRequest(bytes: Buffer): boolean {
  if (bytes.length < 14 || bytes.readUInt32BE(0) > 65_536) return false;
  const [key, version, length] = [bytes.readUInt16BE(4), bytes.readUInt16BE(6), bytes.readUInt16BE(12)];
  return (key === 18 || key === 3) && version <= 15 && length > 0 && length <= 255 && /^[\x20-\x7e]+$/.test(bytes.toString('latin1', 14, Math.min(14 + length, bytes.length)));
}
