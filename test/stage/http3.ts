/** HTTP/3 on loopback: a stage's UDP port, an origin, and a client of ours whose streams a test may write by hand. */
import type { Headers } from '../../core/headers.ts';
import type { ClientExchange, ResponseHead, UpstreamEvents } from '../../core/exchange.ts';
import { Headers as FieldList } from '../../core/headers.ts';
import { Http3Client } from '../../core/http3/client.ts';
import { QpackEncoder } from '../../core/http3/qpack-encoder.ts';
import { Http3Server } from '../../core/http3/server.ts';
import { connectQuic } from '../../core/quic/client.ts';
import type { QuicConnection, QuicEnd } from '../../core/quic/connection.ts';
import { QuicEndpoint } from '../../core/quic/endpoint.ts';
import { IdentityConfigs } from '../../core/quic/identity-configs.ts';
import { UdpPort } from '../../core/quic/udp-port.ts';
import type { Stage } from './captured.ts';
import { originCA } from './origin.ts';
import { MAX_DATAGRAM, loadTransport, udpSocket } from './quic.ts';
import { soon } from './wire.ts';

/** Opens the stage's UDP port for HTTP/3, and gives its number. */
export async function listenHttp3(stage: Stage): Promise<number> {
  const socket = await udpSocket();
  const { port } = socket.address();
  const failure = await stage.capture.captureHttp3(socket);
  if (failure !== null) throw new Error(failure);
  return port;
}

/** An origin whose exchanges are a test's to answer. */
export class Http3Origin implements AsyncDisposable {
  readonly port: number;
  readonly connections: QuicConnection[] = [];
  readonly servers: Http3Server[] = [];
  readonly #endpoint: QuicEndpoint;

  private constructor(port: number, endpoint: QuicEndpoint) {
    this.port = port;
    this.#endpoint = endpoint;
  }

  /** @param raw takes a connection as it is, in place of the codec. @param at a port of its own choice. */
  static async open(onExchange: (exchange: ClientExchange) => void, raw?: (connection: QuicConnection) => void, at?: number): Promise<Http3Origin> {
    const transport = await loadTransport();
    const port = new UdpPort(await udpSocket('127.0.0.1', at), null);
    const endpoint = new QuicEndpoint({
      transport,
      configs: new IdentityConfigs(transport, ['h3'], MAX_DATAGRAM),
      port,
      maxDatagram: MAX_DATAGRAM,
      maxConnections: 100,
      retryAbove: Infinity,
      onArrival: (arrival) =>
        arrival.accept(identityOf(arrival.hello.sni ?? '127.0.0.1'), {
          onEstablished: (connection) => {
            origin.connections.push(connection);
            if (raw) raw(connection);
            else origin.servers.push(new Http3Server(connection, 'https', { onExchange, onClose: () => {} }));
          },
          onFailed: () => {},
        }),
    });
    const origin: Http3Origin = new Http3Origin(port.local.port, endpoint);
    return origin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endpoint.close(0);
  }
}

function identityOf(host: string): { key: string; certificate: string } {
  const { key, cert } = originCA.identity(host);
  return { key, certificate: cert };
}

/** A connection to the stage, as a client in a guest would have one to `name`. */
export function dialHttp3(stage: Stage, port: number, name: string): Promise<QuicConnection> {
  return dial(port, name, stage.capture.authority.certificate);
}

/** A connection to an origin, with no stage between. */
export function dialOrigin(port: number, name: string): Promise<QuicConnection> {
  return dial(port, name, originCA.certificate);
}

async function dial(port: number, name: string, root: string): Promise<QuicConnection> {
  const transport = await loadTransport();
  const config = transport.configure({ alpn: ['h3'], maxDatagram: MAX_DATAGRAM, maxStreams: 0, identity: null, roots: [root] });
  const target = { host: name, serverName: name, address: '127.0.0.1', port, config, maxDatagram: MAX_DATAGRAM, timeoutMs: 5_000, signal: new AbortController().signal };
  return (await connectQuic(transport, target)).connection;
}

export interface Http3Answer {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly trailers: Headers | null;
  readonly informational: readonly ResponseHead[];
}

export interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly body?: Buffer;
  readonly trailers?: readonly string[];
}

/** Asks, and reads the whole answer. */
export function ask(client: Http3Client, { method = 'GET', path = '/', headers = [], body, trailers }: Question = {}, authority = 'api.test'): Promise<Http3Answer> {
  const answer = new Promise<Http3Answer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const informational: ResponseHead[] = [];
    let head: ResponseHead | null = null;
    const pending: Buffer[] = [];
    const events: UpstreamEvents = {
      onInform: (head) => informational.push(head),
      onResponse: (final) => (head = final),
      onResponseData: (chunk) => chunks.push(chunk),
      onResponseEnd: (last) => resolve({ head: head!, body: Buffer.concat(chunks), trailers: last, informational }),
      onUpstreamError: reject,
      onUpstreamDrain: () => send(),
      onUpgrade: () => {},
    };
    const request = { method, scheme: 'https' as const, authority, path, httpVersion: '3', headers: new FieldList([...headers]), hasBody: body !== undefined, wantsUpgrade: false };
    for (let at = 0; body && at < body.length; at += 60_000) pending.push(body.subarray(at, at + 60_000));
    const exchange = client.send(request, events);
    const send = (): void => {
      while (pending.length > 0) if (!exchange.write(pending.shift()!)) return;
      exchange.end(trailers ? new FieldList([...trailers]) : null);
    };
    send();
  });
  return soon(`the answer to ${method} ${path}`, answer, 20_000);
}

export async function http3Client(stage: Stage, port: number, name = 'api.test'): Promise<Http3Client> {
  return new Http3Client(await dialHttp3(stage, port, name), name, () => {});
}

/** What comes back on a stream that a test writes by hand: bytes and their end, a reset, or the end of the connection. */
export interface Outcome {
  readonly status: number | null;
  readonly reset: number | null;
  readonly closed: QuicEnd | null;
}

/** Sends bytes on a request stream, after those of a control stream and others and before those that come `later`, and gives what came of it. */
export async function byHand(connection: QuicConnection, bytes: Buffer, { control, unidirectional, later }: { control?: Buffer; unidirectional?: Buffer[]; later?: Buffer } = {}): Promise<Outcome> {
  const outcome = new Promise<Outcome>((resolve) => {
    const quiet = { onData: () => {}, onEnd: () => {}, onReset: () => {}, onStopSending: () => {}, onDrain: () => {} };
    connection.attach({ onStream: (stream) => stream.attach(quiet), onStreamsAllowed: () => {}, onClose: (closed) => resolve({ status: null, reset: null, closed }) });
    for (const opening of [control ?? Buffer.from('000400', 'hex'), ...(unidirectional ?? [])]) {
      const stream = connection.open('unidirectional')!;
      stream.attach(quiet);
      if (opening.length > 0) stream.write(opening);
    }
    if (bytes.length === 0) return;
    const stream = connection.open('bidirectional')!;
    let got = Buffer.alloc(0);
    stream.attach({
      ...quiet,
      onData: (chunk) => (got = Buffer.concat([got, chunk])),
      onEnd: () => resolve({ status: statusOf(got), reset: null, closed: null }),
      onReset: (reset) => resolve({ status: null, reset, closed: null }),
    });
    stream.end(bytes);
    if (!later) return;
    const delayed = connection.open('unidirectional')!;
    delayed.attach(quiet);
    setTimeout(() => delayed.write(later), 50);
  });
  const came = await soon('what comes of it', outcome);
  connection.close(0x100, '');
  return came;
}

const STATUS_LINES = new Map([200, 400, 403, 404, 500].map((status) => [new QpackEncoder().frame([':status', String(status)], []).subarray(4).toString('hex'), status]));

/** The status that stands first in a response of ours. */
function statusOf(bytes: Buffer): number {
  const section = bytes.subarray(1 + (1 << (bytes[1]! >> 6)));
  for (const [line, status] of STATUS_LINES) if (section.subarray(2).toString('hex').startsWith(line)) return status;
  return -1;
}
