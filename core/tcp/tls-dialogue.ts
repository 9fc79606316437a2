/**
 * How a protocol in the clear agrees to go on with TLS: STARTTLS and its like (RFC 3207, 2595, 4217, 4642, 6120,
 * 4511), and PostgreSQL's SSLRequest. A dialogue only listens. That it hears agreement means that the client's next
 * bytes are looked at; where they are no ClientHello, everything goes on as it was.
 */

export interface TlsDialogue {
  readonly means: 'starttls' | 'sslrequest';
  /** Nothing can come of it any more. */
  readonly isOver: boolean;
  up(chunk: Buffer): void;
  /** True where with these bytes the server has agreed. */
  down(chunk: Buffer): boolean;
}

/** Bytes of each direction in which a dialogue is listened for; TLS begins before there is anything to protect. */
const LISTENED = 64 * 1024;
/** A line that is longer is none of these protocols' commands. */
const LONGEST_LINE = 1024;

interface LineRules {
  /** The client's command; its first group, if any, is a tag. */
  readonly asks: RegExp;
  readonly agrees: (line: string, tag: string) => boolean;
}

const LINE_RULES: Readonly<Record<string, LineRules>> = {
  smtp: { asks: /^STARTTLS\s*$/i, agrees: (line) => /^220(?: |$)/.test(line) },
  ftp: { asks: /^AUTH (?:TLS|TLS-C|SSL)\s*$/i, agrees: (line) => /^234(?: |$)/.test(line) },
  pop3: { asks: /^STLS\s*$/i, agrees: (line) => line.startsWith('+OK') },
  nntp: { asks: /^STARTTLS\s*$/i, agrees: (line) => /^382(?: |$)/.test(line) },
  imap: { asks: /^(\S{1,64}) STARTTLS\s*$/i, agrees: (line, tag) => line.toLowerCase().startsWith(`${tag.toLowerCase()} ok`) },
  xmpp: { asks: /<starttls\b[^>]*>/, agrees: (line) => /<proceed\b[^>]*>/.test(line) },
};

/** The dialogue of a protocol; null where it has none. */
export function dialogueOf(protocol: string): TlsDialogue | null {
  if (protocol === 'postgresql') return new PostgresDialogue();
  if (protocol === 'ldap') return new LdapDialogue();
  const rules = LINE_RULES[protocol];
  return rules ? new LineDialogue(rules, protocol === 'xmpp' ? '>' : '\n') : null;
}

/** The whole lines of a direction, however the network parts them. */
class Lines {
  readonly #end: string;
  #rest = '';
  #seen = 0;

  constructor(end: string) {
    this.#end = end;
  }

  get isOver(): boolean {
    return this.#seen > LISTENED;
  }

  take(chunk: Buffer): string[] {
    this.#seen += chunk.length;
    if (this.isOver) return [];
    const lines = (this.#rest + chunk.toString('latin1')).split(this.#end);
    this.#rest = lines.pop()!.slice(0, LONGEST_LINE);
    return lines.map((line) => (this.#end === '\n' ? line.replace(/\r$/, '') : line + this.#end));
  }
}

class LineDialogue implements TlsDialogue {
  readonly means = 'starttls';
  readonly #rules: LineRules;
  readonly #client: Lines;
  readonly #server: Lines;
  /** The tag of the command that waits for its answer; null where none does. */
  #asked: string | null = null;

  constructor(rules: LineRules, end: string) {
    this.#rules = rules;
    this.#client = new Lines(end);
    this.#server = new Lines(end);
  }

  get isOver(): boolean {
    return this.#client.isOver || this.#server.isOver;
  }

  up(chunk: Buffer): void {
    for (const line of this.#client.take(chunk)) {
      const asked = this.#rules.asks.exec(line);
      this.#asked = asked ? (asked[1] ?? '') : null;
    }
  }

  down(chunk: Buffer): boolean {
    const lines = this.#server.take(chunk);
    const asked = this.#asked;
    return asked !== null && lines.some((line) => this.#rules.agrees(line, asked));
  }
}

const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const REQUEST_BYTES = 8;

/** Requests of eight bytes, each answered by one byte, until the client begins in earnest. */
class PostgresDialogue implements TlsDialogue {
  readonly means = 'sslrequest';
  isOver = false;
  #request = Buffer.alloc(0);
  #asked: number | null = null;

  up(chunk: Buffer): void {
    if (this.isOver) return;
    this.#request = Buffer.concat([this.#request, chunk.subarray(0, REQUEST_BYTES + 1)]);
    if (this.#request.length < REQUEST_BYTES) return;
    const code = this.#request.readUInt32BE(4);
    this.#asked = this.#request.length === REQUEST_BYTES && (code === SSL_REQUEST || code === GSSENC_REQUEST) ? code : null;
    this.#request = Buffer.alloc(0);
    if (this.#asked === null) this.isOver = true;
  }

  down(chunk: Buffer): boolean {
    const asked = this.#asked;
    this.#asked = null;
    if (this.isOver || asked === null || chunk.length === 0) return false;
    // A refused request is followed by another, or by the start in the clear; anything else ends the dialogue.
    const answer = String.fromCharCode(chunk[0]!);
    if (answer !== 'N') this.isOver = true;
    return asked === SSL_REQUEST && answer === 'S' && chunk.length === 1;
  }
}

const STARTTLS_OID = '1.3.6.1.4.1.1466.20037';
/** ExtendedResponse, its length, and resultCode success (RFC 4511, section 4.12). */
const EXTENDED_SUCCESS = /^\x30[^]{1,5}\x02[^]{2,5}\x78[^]{1,5}\x0a\x01\x00/;

class LdapDialogue implements TlsDialogue {
  readonly means = 'starttls';
  #asked = false;
  #seen = 0;

  get isOver(): boolean {
    return this.#seen > LISTENED;
  }

  up(chunk: Buffer): void {
    this.#seen += chunk.length;
    this.#asked = !this.isOver && chunk.includes(STARTTLS_OID, 0, 'latin1');
  }

  down(chunk: Buffer): boolean {
    return this.#asked && EXTENDED_SUCCESS.test(chunk.toString('latin1', 0, 32));
  }
}
