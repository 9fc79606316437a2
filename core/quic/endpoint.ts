/**
 * QUIC's server side on one UDP socket: tells connections apart by their ids, collects each ClientHello, and lets its owner
 * decide before anything is agreed on. What can be answered without keeping anything is (RFC 9000, sections 5.2.2 and 8.1.2).
 */
import { randomBytes } from 'node:crypto';
import type { Endpoint } from '../flow.ts';
import { CONNECTION_REFUSED, INTERNAL_ERROR, refusalDatagram, type AcceptedEvents, type Identity, type QuicArrival } from './arrival.ts';
import type { QuicEnd } from './connection.ts';
import { HelloAssembly } from './hello-assembly.ts';
import type { IdentityConfigs } from './identity-configs.ts';
import { LiveConnection } from './live-connection.ts';
import type { QuicMachine } from './machine.ts';
import { isLongHeader, readInvariantHeader } from './packet.ts';
import { RetryTokens } from './retry-token.ts';
import { ServerHelloReader } from './server-hello.ts';
import { TRANSPORT_VERSION, type QuicTransport } from './transport.ts';
import type { UdpPort } from './udp-port.ts';

/** Bytes of the ids that we choose. */
const ID_LENGTH = 16;
/** A client's first datagrams are at least that long (RFC 9000, section 14.1). */
const MIN_INITIAL = 1200;
/** Milliseconds in which a hello must be whole, and then decided on. */
const HELLO_TIMEOUT = 10_000;
const DECISION_TIMEOUT = 60_000;
const TOO_LATE: QuicEnd = { by: 'timeout', code: 0, isApplication: false, reason: 'the client is not waited for any longer' };

export interface EndpointOptions {
  readonly transport: QuicTransport;
  readonly configs: IdentityConfigs;
  readonly port: UdpPort;
  /** Bytes of the largest datagram that is sent. */
  readonly maxDatagram: number;
  /** Connections, standing or on their way. */
  readonly maxConnections: number;
  /** So many handshakes under way make new clients prove their address first. */
  readonly retryAbove: number;
  /** Hellos that are collected or decided on, of all endpoints that share it. */
  readonly hellos?: { count: number; readonly limit: number };
  /** Milliseconds after which a client that was not decided on is forgotten. */
  readonly decisionTimeout?: number;
  readonly onArrival: (arrival: QuicArrival) => void;
  /** The last connection is gone. */
  readonly onIdle?: () => void;
}

interface Beginning {
  readonly assembly: HelloAssembly;
  readonly originalDcid: Buffer | null;
  readonly timer: NodeJS.Timeout;
  readonly key: string;
  decided: boolean;
}

interface Standing {
  readonly connection: LiveConnection;
  readonly peer: Endpoint;
}

export class QuicEndpoint {
  readonly #options: EndpointOptions;
  readonly #tokens = new RetryTokens();
  readonly #beginnings = new Map<string, Beginning>();
  readonly #byId = new Map<string, Standing>();
  readonly #connections = new Set<LiveConnection>();
  #handshakes = 0;
  #closed = false;

  constructor(options: EndpointOptions) {
    this.#options = options;
    options.port.listen((datagram, from) => this.receive(datagram, from));
  }

  get connections(): number {
    return this.#connections.size + this.#beginnings.size;
  }

  /** Also for datagrams that came another way. They are deciphered in place. */
  receive(datagram: Buffer, from: Endpoint): void {
    if (this.#closed) return;
    if (!isLongHeader(datagram)) return this.#standing(datagram.subarray(1, 1 + ID_LENGTH), from)?.connection.receive(datagram);
    const head = readInvariantHeader(datagram);
    if (head === null) return;
    const known = this.#standing(head.dcid, from);
    if (known !== null) return known.connection.receive(datagram);
    if (head.version !== TRANSPORT_VERSION) {
      // Version 0 is itself a version negotiation, which no server is sent.
      if (head.version !== 0 && datagram.length >= MIN_INITIAL) this.#answer(this.#options.transport.negotiateVersion(head.scid, head.dcid), from);
      return;
    }
    this.#begin(datagram, head.dcid, from);
  }

  /** Ends all connections, with an application error code; as with `close` of each, nobody here is told. */
  close(code: number): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { timer } of this.#beginnings.values()) clearTimeout(timer);
    this.#count(-this.#beginnings.size);
    this.#beginnings.clear();
    for (const connection of [...this.#connections]) {
      connection.close(code, 'shutting down');
      connection.leave();
    }
    this.#options.port.close();
  }

  /** A datagram from another address than before is not listened to: connections do not move. */
  #standing(id: Buffer, from: Endpoint): Standing | null {
    const known = this.#byId.get(id.toString('latin1'));
    return known && isSame(known.peer, from) ? known : null;
  }

  #begin(datagram: Buffer, dcid: Buffer, from: Endpoint): void {
    const key = `${from.address} ${from.port} ${dcid.toString('latin1')}`;
    const known = this.#beginnings.get(key);
    if (known) return this.#collect(known, datagram, from);
    if (datagram.length < MIN_INITIAL) return;
    const assembly = HelloAssembly.begin(datagram);
    if (assembly === null) return;
    const { hellos, maxConnections } = this.#options;
    if (this.connections >= maxConnections || (hellos && hellos.count >= hellos.limit)) return this.#answer(refusalDatagram(assembly, CONNECTION_REFUSED, 'too many connections'), from);
    const originalDcid = this.#tokens.redeem(assembly.token, from, assembly.dcid);
    if (originalDcid === null && this.#handshakes + this.#beginnings.size >= this.#options.retryAbove) return this.#askForProof(assembly, from);
    const timer = setTimeout(() => this.#forget(beginning), HELLO_TIMEOUT);
    const beginning: Beginning = { assembly, originalDcid, timer, key, decided: false };
    this.#beginnings.set(key, beginning);
    this.#count(1);
    this.#collect(beginning, datagram, from);
  }

  #collect(beginning: Beginning, datagram: Buffer, peer: Endpoint): void {
    const { assembly } = beginning;
    const hello = assembly.add(datagram);
    if (beginning.decided || hello === 'need-more') return;
    if (hello === 'invalid') return this.#forget(beginning);
    beginning.decided = true;
    clearTimeout(beginning.timer);
    const patience = setTimeout(() => this.#forget(beginning), this.#options.decisionTimeout ?? DECISION_TIMEOUT);
    const once = (act: () => void, late?: () => void): void => {
      clearTimeout(patience);
      if (this.#take(beginning)) act();
      else if (late) setImmediate(late);
    };
    this.#options.onArrival({
      hello,
      peer,
      accept: (identity, events) => once(() => this.#accept(beginning, peer, identity, events), () => events.onFailed(TOO_LATE)),
      refuse: (code, reason) =>
        once(() => {
          this.#answer(refusalDatagram(assembly, code, reason), peer);
          this.#left();
        }),
    });
  }

  #accept({ assembly, originalDcid }: Beginning, peer: Endpoint, identity: Identity, events: AcceptedEvents): void {
    const { transport, configs, port, maxDatagram } = this.#options;
    // After a Retry the client goes on with the id that it was given.
    const scid = originalDcid ? assembly.dcid : randomBytes(ID_LENGTH);
    let machine: QuicMachine;
    try {
      machine = transport.accept(configs.for(identity), scid, originalDcid, port.local, peer);
    } catch (error) {
      this.#answer(refusalDatagram(assembly, INTERNAL_ERROR, ''), peer);
      this.#left();
      return events.onFailed({ by: 'failed', code: INTERNAL_ERROR, isApplication: false, reason: error instanceof Error ? error.message : String(error) });
    }
    const sight = new ServerHelloReader(assembly.version, assembly.dcid);
    let handshaking = true;
    const settled = (): void => {
      if (handshaking) this.#handshakes--;
      handshaking = false;
    };
    const ids = [scid.toString('latin1'), assembly.dcid.toString('latin1')];
    const connection: LiveConnection = new LiveConnection(machine, {
      role: 'server',
      maxDatagram,
      send: (slab, offset, length) => {
        if (sight.isWanted) sight.see(slab.subarray(offset, offset + length));
        port.send(slab, offset, length, peer);
      },
      onEstablished: () => {
        settled();
        events.onEstablished(connection, sight.facts);
      },
      onFailed: (end: QuicEnd) => {
        settled();
        events.onFailed(end);
      },
      onGone: () => {
        settled();
        for (const id of ids) this.#byId.delete(id);
        this.#connections.delete(connection);
        this.#left();
      },
    });
    this.#handshakes++;
    this.#connections.add(connection);
    for (const id of ids) this.#byId.set(id, { connection, peer });
    for (const datagram of assembly.datagrams) connection.receive(datagram);
  }

  #askForProof(assembly: HelloAssembly, peer: Endpoint): void {
    const { dcid, scid } = assembly;
    const newDcid = randomBytes(ID_LENGTH);
    this.#answer(this.#options.transport.retry(scid, dcid, newDcid, this.#tokens.issue(peer, dcid, newDcid)), peer);
  }

  #answer(datagram: Buffer, to: Endpoint): void {
    this.#options.port.send(datagram, 0, datagram.length, to);
  }

  #forget(beginning: Beginning): void {
    clearTimeout(beginning.timer);
    if (this.#take(beginning)) this.#left();
  }

  /** False where it has been given up, or taken before. */
  #take({ key }: Beginning): boolean {
    if (this.#closed || !this.#beginnings.delete(key)) return false;
    this.#count(-1);
    return true;
  }

  #count(change: number): void {
    if (this.#options.hellos) this.#options.hellos.count += change;
  }

  #left(): void {
    if (!this.#closed && this.connections === 0) this.#options.onIdle?.();
  }
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address;
}
