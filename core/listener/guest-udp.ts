/** A guest's UDP other than DNS: QUIC that carries HTTP/3 is captured, all else is refused and, once per destination, recorded. */
import type { Socket } from 'node:dgram';
import { MentuError } from '../errors.ts';
import type { Destination, Endpoint } from '../flow.ts';
import { CapturedConnection } from '../flows/captured-connection.ts';
import { readyPart } from '../flows/record-part.ts';
import { NO_APPLICATION_PROTOCOL, type QuicArrival } from '../quic/arrival.ts';
import { HelloAssembly } from '../quic/hello-assembly.ts';
import { readInvariantHeader } from '../quic/packet.ts';
import { BeginningCapture } from '../recorder/data-capture.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { GuestQuic } from './guest-quic.ts';
import type { NameBook } from './transparent.ts';

const HTTPS_PORT = 443;
const HTTP3 = 'h3';
/** A client's first datagram is at least that long (RFC 9000, section 14.1). */
const MIN_INITIAL = 1200;
/** Destinations with a record of their own; what was sent to others is counted by the engine. */
const MAX_RECORDED = 1000;
/** Pairs of addresses for which sockets are open, or about to be. */
const MAX_PAIRS = 4096;

/** UDP of a guest for which no socket is open. */
export interface GuestUdp {
  listen(onDatagram: ((data: Buffer, from: Endpoint, to: Endpoint) => void) | null): void;
  /** A socket in the guest's network, bound to `to` and connected to `from`. */
  open(from: Endpoint, to: Endpoint): Promise<Socket>;
  /** Tells the guest that nobody listens there. */
  refuse(from: Endpoint, to: Endpoint): void;
}

export interface UdpGateOptions {
  readonly recorder: FlowRecorder;
  readonly nextId: () => string;
  readonly names: NameBook;
  readonly acceptQuic: (arrival: QuicArrival, destination: Destination) => void;
  /** Null where QUIC cannot be spoken, with the reason. */
  readonly quic: () => Promise<{ readonly quic: GuestQuic; readonly reason: null } | { readonly quic: null; readonly reason: string }>;
}

/** One client and one destination. */
interface Pair {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** What came before there was a socket. */
  early: Buffer[] | null;
  receive: ((datagram: Buffer) => void) | null;
  close: (() => void) | null;
}

export class UdpGate {
  readonly #udp: GuestUdp;
  readonly #options: UdpGateOptions;
  readonly #pairs = new Map<string, Pair>();
  readonly #recorded = new Set<string>();
  #closed = false;

  constructor(udp: GuestUdp, options: UdpGateOptions) {
    this.#udp = udp;
    this.#options = options;
    udp.listen((data, from, to) => this.#take(data, from, to));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#udp.listen(null);
    for (const pair of this.#pairs.values()) pair.close?.();
    this.#pairs.clear();
  }

  #take(datagram: Buffer, from: Endpoint, to: Endpoint): void {
    const key = `${from.address} ${from.port} ${to.address} ${to.port}`;
    const known = this.#pairs.get(key);
    // What lay in the plane when the socket was opened.
    if (known?.receive) return known.receive(datagram);
    if (known) return void known.early?.push(datagram);
    if (!mayBeQuic(datagram, to)) return this.#deny(datagram, from, to, null);
    if (this.#pairs.size >= MAX_PAIRS) return this.#udp.refuse(from, to);
    const pair: Pair = { from, to, early: [datagram], receive: null, close: null };
    this.#pairs.set(key, pair);
    this.#open(pair, key, datagram).catch(() => {
      this.#pairs.delete(key);
      this.#udp.refuse(from, to);
    });
  }

  async #open(pair: Pair, key: string, datagram: Buffer): Promise<void> {
    const { from, to } = pair;
    const { quic, reason } = await this.#options.quic();
    if (quic === null) {
      this.#pairs.delete(key);
      return this.#deny(datagram, from, to, new MentuError('http3_unavailable', { reason }));
    }
    const socket = await this.#udp.open(from, to);
    if (this.#closed) return void socket.close();
    const served = quic.serve(socket, from, to, {
      onArrival: (arrival) => this.#arrived(arrival, pair),
      onIdle: () => {
        this.#pairs.delete(key);
      },
    });
    pair.receive = served.receive;
    pair.close = served.close;
    for (const early of pair.early!) served.receive(early);
    pair.early = null;
  }

  #arrived(arrival: QuicArrival, { from, to }: Pair): void {
    if (arrival.hello.alpn.includes(HTTP3)) return this.#options.acceptQuic(arrival, this.#destination(to));
    arrival.refuse(NO_APPLICATION_PROTOCOL, 'HTTP/3 alone');
    this.#record(Buffer.alloc(0), from, to, null);
  }

  /** @param failure why QUIC was not served, where it would have been. */
  #deny(datagram: Buffer, from: Endpoint, to: Endpoint, failure: MentuError | null): void {
    this.#udp.refuse(from, to);
    this.#record(datagram, from, to, failure);
  }

  #record(datagram: Buffer, from: Endpoint, to: Endpoint, failure: MentuError | null): void {
    const place = `${to.address} ${to.port}`;
    if (this.#recorded.has(place) || this.#recorded.size >= MAX_RECORDED) return;
    this.#recorded.add(place);
    const { recorder, nextId } = this.#options;
    const connection = new CapturedConnection(nextId(), from, this.#destination(to));
    const { host } = connection;
    if (failure === null) recorder.violation(connection, { code: 'udp_denied', rule: 'UDP other than HTTP/3', host, by: 'core' });
    const first = new BeginningCapture(recorder.captureSettings?.beginning ?? 0);
    first.write(datagram);
    recorder.completeConnection(connection, {
      kind: 'udp',
      outcome: failure === null ? 'denied' : 'failed',
      error: failure ?? new MentuError('udp_denied', { host, port: to.port }),
      bytes: { up: datagram.length, down: 0 },
      parts: [readyPart({ udp: { packets: 1, first: first.record() } })],
    });
  }

  #destination({ address, port }: Endpoint): Destination {
    return { name: this.#options.names.nameOf(address), address, port };
  }
}

/** A first packet of QUIC; on the port of HTTPS also one of a version that is to be negotiated. */
function mayBeQuic(datagram: Buffer, to: Endpoint): boolean {
  if (datagram.length < MIN_INITIAL) return false;
  if (HelloAssembly.begin(datagram) !== null) return true;
  return to.port === HTTPS_PORT && (readInvariantHeader(datagram)?.version ?? 0) !== 0;
}
