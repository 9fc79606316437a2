import { Headers } from '../../../core/headers.ts';
import { QpackEncoder } from '../../../core/http3/qpack-encoder.ts';
import { Http3Client } from '../../../core/http3/client.ts';
import { Http3Server } from '../../../core/http3/server.ts';
import type { ClientExchange, UpstreamEvents } from '../../../core/exchange.ts';
import type { QuicConnection, QuicConnectionEvents, QuicStream, QuicStreamEvents } from '../../../core/quic/connection.ts';
import type { FuzzTarget } from '../target.ts';

/** A connection that carries nothing: what it is given is handed over by itself. */
class Bare implements QuicConnection {
  readonly alpn = 'h3';
  readonly streams: BareStream[] = [];
  events: QuicConnectionEvents | null = null;
  attach(events: QuicConnectionEvents): void {
    this.events = events;
  }
  open(kind: 'bidirectional' | 'unidirectional'): QuicStream {
    const stream = new BareStream(4 * this.streams.length + (kind === 'bidirectional' ? 0 : 2));
    this.streams.push(stream);
    return stream;
  }
  close(): void {
    this.events = null;
    for (const stream of this.streams) stream.events = null;
  }
}

class BareStream implements QuicStream {
  readonly id: number;
  readonly isBidirectional: boolean;
  events: QuicStreamEvents | null = null;
  constructor(id: number) {
    this.id = id;
    this.isBidirectional = (id & 2) === 0;
  }
  attach(events: QuicStreamEvents): void {
    this.events = events;
  }
  write(): boolean {
    return true;
  }
  end(): void {}
  reset(): void {}
  stopReading(): void {
    this.events = null;
  }
  pause(): void {}
  resume(): void {}
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const encoder = new QpackEncoder();
const request = encoder.frame([':method', 'POST', ':scheme', 'https', ':authority', 'a.test', ':path', '/'], ['content-length', '5', 'x-own', 'value']);
const upgrade = encoder.frame([':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'https', ':authority', 'a.test', ':path', '/'], ['sec-websocket-version', '13']);
const consent = encoder.frame([':status', '200'], []);
/** A server's, which takes extended CONNECT. */
const offer = hex('00 0402 0801');
const answer = encoder.frame([':status', '200'], ['content-length', '5', 'server', 'x']);
const control = hex('00 04 08 01 5000 06 8001 0000 0704 00000000 2100');

function served(exchange: ClientExchange): void {
  exchange.attach({ onRequestData() {}, onRequestEnd: () => exchange.end(null), onClientAbort() {}, onClientHalfClose() {}, onClientError: () => exchange.reset(), onClientDrain() {} });
  if (exchange.head.wantsUpgrade) return void exchange.detach({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(), hasBody: false })?.on('error', () => {}).resume().end('x');
  exchange.respond({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(), hasBody: true });
  exchange.start();
}

/** Hands bytes to a stream, cut in two. */
function give(stream: BareStream, bytes: Buffer, cut: number): void {
  if (cut > 0) stream.events?.onData(bytes.subarray(0, cut));
  if (cut < bytes.length) stream.events?.onData(bytes.subarray(cut));
  stream.events?.onEnd();
}

const target: FuzzTarget = {
  name: 'HTTP/3',
  inputs: [
    Buffer.concat([request, hex('0005 68656c6c6f'), encoder.frame([], ['x-sum', '1'])]),
    Buffer.concat([hex('2103 616263'), encoder.frame([':status', '103'], ['link', 'x']), answer, hex('0003 68656c 0002 6c6f 2100')]),
    control,
    hex('02 3fbd01 c00f 7777772e6578616d706c652e636f6d'),
    hex('03 44 48'),
    Buffer.concat([upgrade, hex('0005 68656c6c6f 2101 61 0000 0001 61')]),
    Buffer.concat([consent, hex('0005 68656c6c6f 2101 61 0000 0001 61')]),
  ],
  parse(input, random) {
    const cut = Math.floor(random() * (input.length + 1));
    const toServer = new Bare();
    const server = new Http3Server(toServer, 'https', { onExchange: served, onClose: () => {} });
    for (const id of [2, 0]) {
      const stream = new BareStream(id);
      toServer.streams.push(stream);
      toServer.events?.onStream(stream);
      give(stream, input, cut);
    }
    server.destroy();
    const toClient = new Bare();
    const client = new Http3Client(toClient, 'a.test', () => {});
    const asked = { scheme: 'https' as const, authority: 'a.test', path: '/', httpVersion: '3', headers: new Headers(), hasBody: false };
    const events: UpstreamEvents = { onInform() {}, onResponse() {}, onResponseData() {}, onResponseEnd() {}, onUpstreamError() {}, onUpstreamDrain() {}, onUpgrade: (_head, tunnel) => void tunnel.on('error', () => {}).resume().end('x') };
    client.send({ ...asked, method: 'GET', wantsUpgrade: false }, events).end(null);
    const settings = new BareStream(7);
    toClient.events?.onStream(settings);
    settings.events?.onData(offer);
    client.send({ ...asked, method: 'CONNECT', wantsUpgrade: true, protocol: 'websocket' }, events);
    for (const stream of toClient.streams.filter(({ isBidirectional }) => isBidirectional)) if (stream.events) give(stream, input, cut);
    const opened = new BareStream(3);
    toClient.events?.onStream(opened);
    give(opened, input, cut);
    client.destroy();
  },
};
export default target;
