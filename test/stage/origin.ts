/** Origins for tests: real servers on loopback, with certificates of a CA of their own. */
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createSecureServer, createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import { createServer as createNetServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer, type SecureContext, type SecureContextOptions, type TLSSocket, type TlsOptions } from 'node:tls';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { authorityCertificate, pem, serverCertificate } from '../../core/tls/certificate.ts';
import { Wire, until } from './wire.ts';

const HOUR = 3_600_000;

/** What a server shows of itself, in PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** A CA of test origins. */
export class OriginCA {
  readonly certificate: string;
  readonly #name: { readonly commonName: string };
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  readonly #contexts = new Map<string, SecureContext>();

  constructor(commonName: string) {
    this.#name = { commonName };
    this.certificate = pem(authorityCertificate(this.#name, this.#keys.publicKey, this.#keys.privateKey, validity(-48, 48)));
  }

  /** Key and certificate of a name; `hours` from now, within which it is valid. */
  identity(host: string, hours: readonly [from: number, to: number] = [-1, 1]): Identity {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return { key: exported(privateKey), cert: pem(serverCertificate(host, publicKey, { name: this.#name, ...this.#keys }, validity(...hours))) };
  }

  /** The options of a server that has a certificate for whatever name it is asked for. */
  options(): TlsOptions {
    return {
      ...this.identity('unasked.test'),
      SNICallback: (asked, done) => {
        let context = this.#contexts.get(asked);
        if (!context) this.#contexts.set(asked, (context = createSecureContext(this.identity(asked))));
        done(null, context);
      },
    };
  }

  /** A server that vouches for itself. */
  static selfSigned(host: string): Identity {
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return { key: exported(pair.privateKey), cert: pem(serverCertificate(host, pair.publicKey, { name: { commonName: host }, ...pair }, validity(-1, 1))) };
  }
}

function validity(from: number, to: number): { from: Date; to: Date } {
  return { from: new Date(Date.now() + from * HOUR), to: new Date(Date.now() + to * HOUR) };
}

function exported(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Trusted by every stage. */
export const originCA = new OriginCA('Test origins');
const trusted = originCA.options();

/** Connections in the order in which they came; a test takes each when it is due. */
export class Arrivals {
  readonly #wires: Wire[] = [];
  #taken = 0;

  readonly add = (socket: Socket): void => void this.#wires.push(new Wire(socket));

  get count(): number {
    return this.#wires.length;
  }

  async next(): Promise<Wire> {
    await until('a connection to the origin', () => this.#wires.length > this.#taken);
    return this.#wires[this.#taken++]!;
  }
}

/** A listening origin. Close it, or let `await using` do so. */
export class Origin implements AsyncDisposable {
  readonly address = '127.0.0.1';
  readonly port: number;
  /** Connections that stand, and how many there have been. */
  readonly sockets = new Set<Socket>();
  accepted = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens with any server that is built on `net.Server`. */
  static async listen(server: Server): Promise<Origin> {
    const early = new Set<Socket>();
    let origin: Origin | null = null;
    server.on('connection', (socket) => {
      if (origin) origin.#track(socket);
      else early.add(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = new Origin(server);
    for (const socket of early) origin.#track(socket);
    return origin;
  }

  static http(handler: RequestListener): Promise<Origin> {
    return Origin.listen(createHttpServer({ keepAliveTimeout: 60_000 }, handler));
  }

  /** HTTPS by node's compatible API: HTTP/2 and HTTP/1.1, or what `alpn` leaves of them. */
  static https(handler: (request: Http2ServerRequest, response: Http2ServerResponse) => void, alpn: readonly string[] = ['h2', 'http/1.1']): Promise<Origin> {
    return Origin.listen(createSecureServer({ ...trusted, allowHTTP1: alpn.includes('http/1.1'), ALPNProtocols: [...alpn], settings: { maxConcurrentStreams: 1000 } }, handler) as unknown as Server);
  }

  /** HTTP/2 over TLS, by streams. */
  static h2(handler: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]) => void): Promise<Origin> {
    const server = createSecureServer({ ...trusted, settings: { maxConcurrentStreams: 1000 }, maxHeaderListPairs: 1000, maxSendHeaderBlockLength: 256 * 1024 });
    server.on('stream', (stream, headers, _flags, raw) => {
      stream.on('error', () => {});
      handler(stream as ServerHttp2Stream, headers, raw as unknown as string[]);
    });
    server.on('sessionError', () => {});
    return Origin.listen(server as unknown as Server);
  }

  /** HTTP/2 in the clear, with prior knowledge. */
  static h2c(handler: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void): Promise<Origin> {
    const server = createHttp2Server();
    server.on('stream', (stream, headers) => handler(stream as ServerHttp2Stream, headers));
    return Origin.listen(server as unknown as Server);
  }

  /** Bytes in the clear. */
  static raw(onConnection: (socket: Socket) => void): Promise<Origin> {
    const server = createNetServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    return Origin.listen(server);
  }

  /** Bytes within TLS; `options` may replace the certificate. */
  static rawTls(onConnection: (socket: Socket) => void, options: TlsOptions & SecureContextOptions = {}): Promise<Origin> {
    const own = options.cert ? {} : trusted;
    const server = createTlsServer({ ...own, ALPNProtocols: ['http/1.1'], ...options }, (socket) => {
      socket.on('error', () => {});
      onConnection(socket);
    });
    server.on('tlsClientError', () => {});
    return Origin.listen(server);
  }

  /** Has changed its mind: the first connection speaks one version and ends, all others speak the other. */
  static fickle(first: 'h2' | 'http/1.1', speak: (socket: TLSSocket) => void): Promise<Origin> {
    let connections = 0;
    return Origin.rawTls(
      (socket) => {
        if (connections === 1) socket.end();
        else speak(socket as TLSSocket);
      },
      { ALPNProtocols: undefined as never, ALPNCallback: () => (++connections === 1 ? first : first === 'h2' ? 'http/1.1' : 'h2') },
    );
  }

  #track(socket: Socket): void {
    this.accepted++;
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.sockets.delete(socket));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
