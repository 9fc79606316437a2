/**
 * The resolver of the guest. Each query is a flow: its name is judged, then A, AAAA and PTR are answered from the
 * synthetic pool, so that each connection has its name back, and other types are looked up on the host.
 */
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import type { Verdict } from '../decision.ts';
import { MentuError } from '../errors.ts';
import { canonicalHost, isAddress, socketAddress } from '../names/host.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import { denialError } from '../relay/answer.ts';
import type { Dialler } from '../upstream/dialler.ts';
import { decodeQuery, emptyResponse, type Query, type Question, type Response } from './message.ts';
import type { NameServers } from './name-servers.ts';
import { CLASS_IN, CODE, className, TYPE, typeName } from './numbers.ts';
import { passedAnswer } from './passed-answer.ts';
import type { SyntheticPool } from './pool.ts';
import { QueryFlow, type Asker, type Ending } from './query-flow.ts';
import { reverseAddress, SyntheticAnswers } from './synthetic-answers.ts';
import { FLAG } from './wire.ts';

/** Milliseconds to find out whether a name exists, after its look-up. */
const ABSENCE_MS = 2_000;
/** Types that ask for something else than records. */
const NO_RECORDS: ReadonlySet<number> = new Set([TYPE.OPT, TYPE.TKEY, TYPE.TSIG, TYPE.IXFR, TYPE.AXFR, TYPE.MAILB, TYPE.MAILA]);

export interface DnsServerOptions {
  /** Where the addresses come from. */
  readonly pool: SyntheticPool;
  readonly dialler: Pick<Dialler, 'resolve' | 'isPinned'>;
  /** For what is not an address. */
  readonly nameServers: Pick<NameServers, 'ask'>;
  readonly recorder: FlowRecorder;
  /** Whether the guest can reach us by HTTP/3, so that records may offer it; it may be able to some time after its start. */
  readonly http3: () => boolean;
  /** Ids of connections. */
  readonly nextId: () => string;
  /** Told at the end where queries were lost. */
  readonly warn: (error: MentuError) => void;
  /** Queries in work at most; further ones get SERVFAIL at once. Default 256. */
  readonly maxPending?: number;
}

export class DnsServer {
  readonly #options: Required<DnsServerOptions>;
  readonly #synthetic: SyntheticAnswers;
  readonly #sockets = new Map<UdpSocket, (message: Buffer, peer: RemoteInfo) => void>();
  readonly #live = new Set<QueryFlow>();
  /** Queries over UDP that are in work: what a client sends again meanwhile is no other one. */
  readonly #asked = new Set<string>();
  /** Queries that came faster than they could be recorded, and got no answer. */
  #dropped = 0;

  constructor(options: DnsServerOptions) {
    this.#options = { maxPending: 256, ...options };
    this.#synthetic = new SyntheticAnswers(options.pool, options.dialler);
  }

  /** Answers what comes in on a bound socket until `close`. The socket stays its owner's. */
  serveUdp(socket: UdpSocket): void {
    const listener = (message: Buffer, peer: RemoteInfo): void => {
      const key = `${peer.address} ${peer.port} ${message.toString('latin1')}`;
      if (this.#asked.has(key)) return;
      this.#asked.add(key);
      this.answer(message, { transport: 'udp', client: { address: socketAddress(peer.address), port: peer.port }, address: null }, (response) => {
        this.#asked.delete(key);
        // A client that has gone away is no failure of ours.
        if (response && this.#sockets.has(socket)) socket.send(response, peer.port, peer.address, () => {});
      });
    };
    this.#sockets.set(socket, listener);
    socket.on('message', listener);
  }

  /**
   * Takes one message, without the length prefix of TCP. `done` is called once, with the response, or null where there
   * is none. Returns null where the message is dropped.
   */
  answer(message: Buffer, asker: Asker, done: (response: Buffer | null) => void): QueryFlow | null {
    const { recorder, nextId, maxPending } = this.#options;
    const isFull = this.#live.size >= maxPending;
    if (isFull && recorder.isBehind) {
      this.#dropped++;
      done(null);
      return null;
    }
    const query = decodeQuery(message);
    const flow = new QueryFlow(recorder, nextId(), query, message.length, asker, (response) => {
      this.#live.delete(flow);
      done(response);
    });
    this.#live.add(flow);
    if (isFull) flow.end(failed(CODE.SERVFAIL, new MentuError('too_many_lookups', { limit: maxPending })));
    else recorder.admit(() => this.#begin(flow));
    return flow;
  }

  /** Ends what is in work, and lets go of the sockets. */
  close(): void {
    for (const [socket, listener] of this.#sockets) socket.off('message', listener);
    this.#sockets.clear();
    const over = new MentuError('shutting_down');
    for (const flow of this.#live) flow.abort(over);
    if (this.#dropped > 0) this.#options.warn(new MentuError('lookups_dropped', { count: this.#dropped }));
    this.#dropped = 0;
  }

  #begin(flow: QueryFlow): void {
    const { query } = flow;
    if (flow.ended) return;
    if (query === null) return flow.end({ response: null, outcome: 'failed', error: new MentuError('dns_malformed', { reason: 'it is no query' }) });
    const { question } = query;
    if ((query.flags & FLAG.opcode) !== 0) return flow.end(unsupported(CODE.NOTIMP, `the opcode ${(query.flags & FLAG.opcode) >> 11}`));
    if (query.fault !== null || question === null) return flow.end(failed(CODE.FORMERR, new MentuError('dns_malformed', { reason: query.fault ?? 'it asks nothing' })));
    if (query.edns && query.edns.version !== 0) return flow.end(unsupported(CODE.BADVERS, `version ${query.edns.version} of EDNS`));
    if (question.class !== CLASS_IN) return flow.end(unsupported(CODE.REFUSED, `the class ${className(question.class)}`));
    const own = this.#ownAnswer(question);
    if (own !== null) return flow.end(completed(own));
    this.#options.recorder.hooks.connect(flow.connection, (verdict) => this.#decided(flow, query, question, verdict));
  }

  /** What is told without anybody being asked, or null. */
  #ownAnswer(question: Question): Response | null {
    const { name } = question;
    if (name === '') return null;
    const reversed = reverseAddress(name);
    if (reversed !== null) return this.#synthetic.pointer(question, reversed);
    // A name of DNS is written as it is; what only becomes a host by decoding, or is an address, does not exist there.
    if (canonicalHost(name) !== name || isAddress(name)) return emptyResponse(CODE.NXDOMAIN);
    return name === 'localhost' || name.endsWith('.localhost') ? this.#synthetic.localhost(question) : null;
  }

  #decided(flow: QueryFlow, query: Query, question: Question, verdict: Verdict | undefined): void {
    if (flow.ended) return;
    flow.verdict = verdict;
    const isAllowed = verdict === undefined || verdict.action === 'allow' || verdict.action === 'passthrough';
    const { type, name } = question;
    if ((type === TYPE.A || type === TYPE.AAAA) && name !== '') return this.#finish(flow, this.#addresses(question, query, isAllowed));
    if (verdict?.action === 'deny') return this.#refuse(flow, verdict);
    if (NO_RECORDS.has(type)) return flow.end(unsupported(CODE.NOTIMP, `the type ${typeName(type)}`));
    // Of such a name the profile, or who answers in its place, says all there is.
    if (!isAllowed || this.#options.dialler.isPinned(name)) return flow.end(completed(emptyResponse(CODE.NOERROR)));
    this.#finish(flow, this.#lookUp(question, query));
  }

  #finish(flow: QueryFlow, answer: Promise<Ending>): void {
    answer.then(
      (ending) => flow.end(ending),
      (error: unknown) => flow.end(failed(CODE.SERVFAIL, new MentuError('dns_lookup_failed', { host: flow.connection.host, reason: (error as Error).message }, { cause: error }))),
    );
  }

  /** A denied name is not looked up; its connection gets the refusal that says why. */
  async #addresses(question: Question, query: Query, isAllowed: boolean): Promise<Ending> {
    const answer = await this.#synthetic.addresses(question, isAllowed);
    if (answer === null) return this.#absence(question, query);
    const { response, error, ms } = answer;
    return { response, outcome: error ? 'failed' : 'completed', error, ms };
  }

  /**
   * What no address was found for may exist all the same, and be a domain for mail. The name servers tell; a resolver in the guest that is wrongly told
   * that it does not exist drops whatever lies below it (RFC 8020).
   */
  async #absence(question: Question, query: Query): Promise<Ending> {
    const told = await this.#lookUp(question, query, ABSENCE_MS).catch(() => null);
    const code = told?.response?.code;
    return told && (code === CODE.NXDOMAIN || code === CODE.NOERROR) ? told : completed(emptyResponse(CODE.NOERROR));
  }

  async #lookUp(question: Question, query: Query, ms?: number): Promise<Ending> {
    const start = performance.now();
    const { answer, server } = await this.#options.nameServers.ask(question, query, ms);
    return { ...completed(passedAnswer(answer, this.#options.http3())), server, ms: performance.now() - start };
  }

  #refuse(flow: QueryFlow, verdict: Extract<Verdict, { action: 'deny' }>): void {
    const { connection } = flow;
    const host = verdict.host ?? connection.host;
    this.#options.recorder.violation(connection, { code: verdict.code ?? 'denied', rule: verdict.rule, host, by: verdict.by });
    flow.end({ response: emptyResponse(CODE.REFUSED), outcome: 'denied', error: denialError(verdict, host, connection.host) });
  }
}

function completed(response: Response): Ending {
  return { response, outcome: 'completed', error: null };
}

function failed(code: number, error: MentuError): Ending {
  return { response: emptyResponse(code), outcome: 'failed', error };
}

function unsupported(code: number, what: string): Ending {
  return failed(code, new MentuError('dns_unsupported', { what }));
}
