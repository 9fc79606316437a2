/**
 * What a server's first flight shows to who only looks on: ServerHello, and up to TLS 1.2 its certificate and whether it
 * asks for the client's (RFC 5246, section 7.4; RFC 8446, section 4). Bounded and tolerant: what is odd leaves nulls.
 */
import { Cursor } from '../peek/cursor.ts';
import { CONTENT, RecordLayer } from './record-layer.ts';

const SERVER_HELLO = 2;
const CERTIFICATE = 11;
const CERTIFICATE_REQUEST = 13;
const SERVER_HELLO_DONE = 14;
const FINISHED = 20;

const EXTENSION = { alpn: 16, versions: 43, authorities: 47 } as const;

/** More than any chain that a client would take. */
const MAX_BYTES = 128 * 1024;
/** Records with a byte each are made to keep a reader busy. */
const MAX_RECORDS = 256;
const MAX_AUTHORITIES = 1000;

export const TLS13 = 0x0304;

/** Undoes the protection of a whole record of TLS 1.3; null where it is not known how, yet or at all. */
export type Unprotect = (header: Buffer, fragment: Buffer) => { readonly type: number; readonly content: Buffer } | null;

export class ServerFlight {
  version: number | null = null;
  cipher: number | null = null;
  alpn: string | null = null;
  /** DER of the server's own certificate. */
  certificate: Buffer | null = null;
  /** DER of the names of the CAs whose certificates the server takes; null where it has not asked for one. */
  authorities: readonly Buffer[] | null = null;
  readonly #unprotect: Unprotect | null;
  readonly #records: RecordLayer;
  #pending: Buffer = Buffer.alloc(0);
  #fragment: Buffer[] = [];
  #fragmentLeft = 0;
  #seen = 0;
  #count = 0;
  #over = false;

  constructor(unprotect: Unprotect | null = null) {
    this.#unprotect = unprotect;
    this.#records = new RecordLayer({
      onRecord: (type, length) => this.#begin(type, length),
      onFragment: (type, piece) => this.#take(type, piece),
    });
  }

  /** True where nothing more can be learned. */
  get isOver(): boolean {
    return this.#over || this.#records.isBroken;
  }

  push(chunk: Buffer): void {
    if (!this.isOver) this.#records.push(chunk);
  }

  #begin(type: number, length: number): void {
    if (this.#over) return;
    this.#seen += length;
    this.#fragment = [];
    this.#fragmentLeft = length;
    const isHidden = type === CONTENT.applicationData || (type === CONTENT.changeCipherSpec && this.version !== TLS13);
    if (++this.#count > MAX_RECORDS || this.#seen > MAX_BYTES || (isHidden && !this.#unprotect)) this.#end();
  }

  #take(type: number, piece: Buffer): void {
    if (this.#over) return;
    if (type === CONTENT.handshake) return this.#messages(piece);
    if (type !== CONTENT.applicationData || !this.#unprotect) return;
    this.#fragment.push(piece);
    this.#fragmentLeft -= piece.length;
    if (this.#fragmentLeft > 0) return;
    const fragment = Buffer.concat(this.#fragment);
    const plain = this.#unprotect(Buffer.from([type, 3, 3, fragment.length >> 8, fragment.length & 0xff]), fragment);
    if (plain === null) this.#end();
    else if (plain.type === CONTENT.handshake) this.#messages(plain.content);
  }

  #messages(piece: Buffer): void {
    this.#pending = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
    while (this.#pending.length >= 4 && !this.#over) {
      const end = 4 + this.#pending.readUIntBE(1, 3);
      if (end > MAX_BYTES) return this.#end();
      // What is kept must not change with the buffer that it came in.
      if (this.#pending.length < end) return void (this.#pending = Buffer.from(this.#pending));
      this.#message(this.#pending[0]!, new Cursor(this.#pending, 4, end));
      this.#pending = this.#pending.subarray(end);
    }
  }

  #message(type: number, body: Cursor): void {
    if (type === SERVER_HELLO) this.#serverHello(body);
    else if (type === CERTIFICATE) this.#chain(body);
    else if (type === CERTIFICATE_REQUEST) this.#request(body);
    else if (type === SERVER_HELLO_DONE || type === FINISHED) this.#end();
  }

  /** A HelloRetryRequest has the same form, and names the version and cipher that will be (RFC 8446, section 4.1.4). */
  #serverHello(body: Cursor): void {
    const legacy = body.uint(2);
    body.skip(32);
    body.vector(1);
    const cipher = body.uint(2);
    body.skip(1);
    if (body.broken) return this.#end();
    this.version = legacy;
    this.cipher = cipher;
    if (body.left === 0) return;
    const extensions = body.vector(2);
    while (extensions.left > 0) {
      const type = extensions.uint(2);
      const data = extensions.vector(2);
      if (extensions.broken) return;
      if (type === EXTENSION.versions && data.left === 2) this.version = data.uint(2);
      else if (type === EXTENSION.alpn) this.alpn = data.vector(2).vector(1).text() || null;
    }
  }

  #chain(body: Cursor): void {
    if (this.version === TLS13) body.vector(1);
    const leaf = body.vector(3).vector(3);
    if (!leaf.broken && leaf.left > 0) this.certificate = Buffer.from(leaf.rest);
  }

  #request(body: Cursor): void {
    this.authorities = [];
    if (this.version !== TLS13) {
      body.vector(1);
      if (this.version !== null && this.version >= 0x0303) body.vector(2);
      this.#names(body.vector(2));
      return;
    }
    body.vector(1);
    const extensions = body.vector(2);
    while (extensions.left > 0) {
      const type = extensions.uint(2);
      const data = extensions.vector(2);
      if (extensions.broken) return;
      if (type === EXTENSION.authorities) this.#names(data.vector(2));
    }
  }

  #names(list: Cursor): void {
    const names: Buffer[] = [];
    while (list.left > 0 && names.length < MAX_AUTHORITIES) {
      const name = list.vector(2);
      if (!name.broken && name.left > 0) names.push(Buffer.from(name.rest));
    }
    this.authorities = names;
  }

  #end(): void {
    this.#over = true;
    this.#pending = Buffer.alloc(0);
    this.#fragment = [];
  }
}
