/**
 * Whether a server asks for a client's certificate, and whose it takes. Node tells neither, so the handshake is made once
 * more on a connection of its own, where the bytes are seen: in the clear up to TLS 1.2, opened with the connection's own
 * secret in TLS 1.3. It is made for a handshake that has failed, and never for one that has not.
 */
import { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';
import { distinguishedName } from './distinguished-name.ts';
import { serverHandshakeSecret, unprotecting } from './handshake-secret.ts';
import { ServerFlight } from './server-flight.ts';

const LONGEST = 5_000;
/** Bytes of the server's that are looked at. */
const MAX_BYTES = 128 * 1024;

export interface CertificateRequest {
  /** Distinguished names of the CAs whose certificates the server takes; empty where it names none. */
  readonly authorities: readonly string[];
}

/** Null where the server asks for none, or cannot be asked. The socket is closed then. @param options of the handshake that failed. */
export function inquireCertificate(socket: Duplex, options: ConnectionOptions): Promise<CertificateRequest | null> {
  return new Promise((resolve) => {
    const wire = new WatchedWire(socket);
    const tls = connect({ ...options, socket: wire, rejectUnauthorized: false, checkServerIdentity: () => undefined });
    const settle = (): void => {
      clearTimeout(timer);
      tls.destroy();
      socket.destroy();
      resolve(wire.request);
    };
    const timer = setTimeout(settle, LONGEST);
    tls.on('keylog', (line) => wire.opened(line.toString('latin1')));
    for (const event of ['secureConnect', 'error', 'close']) tls.on(event, settle);
    wire.on('error', settle);
  });
}

/** The socket as a stream whose bytes from the server are read along. */
class WatchedWire extends Duplex {
  readonly #socket: Duplex;
  #flight = new ServerFlight();
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(socket: Duplex) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#look(chunk);
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  get request(): CertificateRequest | null {
    const { authorities } = this.#flight;
    return authorities && { authorities: authorities.map(distinguishedName).filter((name) => name !== null) };
  }

  /** @param line of the key log. */
  opened(line: string): void {
    const secret = serverHandshakeSecret(line);
    if (secret === null || this.#flight.cipher === null) return;
    const unprotect = unprotecting(this.#flight.cipher, secret);
    if (unprotect === null) return;
    this.#flight = new ServerFlight(unprotect);
    for (const chunk of this.#chunks) this.#flight.push(chunk);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  #look(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > MAX_BYTES) return;
    this.#chunks.push(Buffer.from(chunk));
    this.#flight.push(chunk);
  }
}
