/** The resolvers that the host asks, asked by us: one question at a time, over UDP and, where that is too short, TCP. */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { Resolver } from 'node:dns';
import { connect, type Socket } from 'node:net';
import { parseNameServer, type NameServer } from '../names/name-server.ts';
import { optRecord, type Query, type Question } from './message.ts';
import { CODE, TYPE } from './numbers.ts';
import { answerTo, codeOf } from './passed-answer.ts';
import { FLAG, writeMessage, type WireMessage } from './wire.ts';

/** Milliseconds for one try of one server. */
const TRY_MS = 2_000;
/** Milliseconds for all of them: a client asks again after five seconds. */
const ALL_MS = 4_500;
const MAX_SERVERS = 3;
const ROUNDS = 2;
/** Answers to other questions that one socket is sent, before it is left. */
const MAX_STRAY = 100;
/** Codes that say something of the server more than of the name: another server may know. */
const UNHELPFUL: ReadonlySet<number> = new Set([CODE.FORMERR, CODE.SERVFAIL, CODE.NOTIMP, CODE.REFUSED]);

interface OurQuery {
  readonly id: number;
  readonly message: Buffer;
}

export interface Found {
  readonly answer: WireMessage;
  readonly server: NameServer;
}

export class NameServers {
  readonly #servers: () => readonly NameServer[];
  /** Each breaks off a try that is under way. */
  readonly #open = new Set<(error: Error) => void>();
  #closed = false;

  /** @param servers those of the host where it is null. */
  constructor(servers: readonly string[] | null = null) {
    const parse = (texts: readonly string[]): NameServer[] => texts.flatMap((text) => parseNameServer(text) ?? []).slice(0, MAX_SERVERS);
    const given = servers && parse(servers);
    // A new one reads the settings of the host anew, which may have come to another network.
    this.#servers = () => given ?? parse(new Resolver().getServers());
  }

  /** Asks until one answers, for `ms` at most. Rejects with an `Error` that says why none did. */
  async ask(question: Question, query: Query, ms = ALL_MS): Promise<Found> {
    const end = performance.now() + ms;
    const servers = this.#servers();
    let last: Found | null = null;
    let reason = 'the host has no resolver';
    for (let turn = 0; turn < ROUNDS * servers.length; turn++) {
      if (turn % servers.length === 0 && last) break;
      const server = servers[turn % servers.length]!;
      const left = Math.min(TRY_MS, end - performance.now());
      if (left <= 0 || this.#closed) break;
      try {
        const answer = await this.#askOne(server, question, query, left);
        last = { answer, server };
        if (!UNHELPFUL.has(codeOf(answer))) return last;
      } catch (error) {
        reason = `${server.address}, port ${server.port}: ${(error as Error).message}`;
      }
    }
    if (last) return last;
    throw new Error(reason);
  }

  /** Breaks off what is under way, and asks nothing more. */
  close(): void {
    this.#closed = true;
    for (const breakOff of this.#open) breakOff(new Error('the capture ends'));
  }

  async #askOne(server: NameServer, question: Question, query: Query, ms: number): Promise<WireMessage> {
    const end = performance.now() + ms;
    const answer = await this.#exchange(server, question, ourQuery(question, query, true), end);
    return isWithoutEdns(answer) ? this.#exchange(server, question, ourQuery(question, query, false), end) : answer;
  }

  async #exchange(server: NameServer, question: Question, asking: OurQuery, end: number): Promise<WireMessage> {
    const left = (): number => Math.max(500, end - performance.now());
    const answer = await this.#overUdp(server, question, asking, left());
    return answer.flags & FLAG.truncated ? this.#overTcp(server, question, asking, left()) : answer;
  }

  /** A socket of its own for each question: its port is as hard to guess as its id, and it hears this server alone. */
  #overUdp(server: NameServer, question: Question, { id, message }: OurQuery, ms: number): Promise<WireMessage> {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    return this.#bounded(socket, () => socket.close(), ms, (resolve, reject) => {
      let stray = 0;
      socket.on('message', (bytes) => {
        const answer = answerTo(question, id, bytes);
        if (answer) resolve(answer);
        else if (++stray >= MAX_STRAY) reject(new Error('it sends answers to other questions'));
      });
      socket.connect(server.port, server.address, (error?: Error) => {
        if (error) reject(error);
        else socket.send(message, (failure) => failure && reject(failure));
      });
    });
  }

  #overTcp(server: NameServer, question: Question, { id, message }: OurQuery, ms: number): Promise<WireMessage> {
    const socket = connect({ host: server.address, port: server.port });
    return this.#bounded(socket, () => socket.destroy(), ms, (resolve, reject) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
      let bytes: Buffer = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
        const answer = answerTo(question, id, bytes.subarray(2, 2 + bytes.readUInt16BE(0)));
        if (!answer) reject(new Error('its answer cannot be read, or is to another question'));
        else if (answer.flags & FLAG.truncated) reject(new Error('its answer is cut off, over TCP too'));
        else resolve(answer);
      });
      socket.on('end', () => reject(new Error('it ended the connection without an answer')));
    });
  }

  /** One try: it ends with `resolve`, `reject`, an error of the socket, the time, or `close`. */
  async #bounded(socket: UdpSocket | Socket, leave: () => void, ms: number, run: (resolve: (answer: WireMessage) => void, reject: (error: Error) => void) => void): Promise<WireMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<WireMessage>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${(ms / 1000).toFixed(1)} s`)), ms);
    this.#open.add(reject);
    socket.on('error', reject);
    try {
      run(resolve, reject);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#open.delete(reject);
      leave();
    }
  }
}

/** A server that does not know EDNS says that it does not understand, and has no OPT record itself (RFC 6891, section 7). */
function isWithoutEdns(answer: WireMessage): boolean {
  const code = codeOf(answer);
  return (code === CODE.FORMERR || code === CODE.NOTIMP) && !answer.additionals.some(({ type }) => type === TYPE.OPT);
}

/** The guest's question in a message of our own: its options and what else it carried stay here. */
function ourQuery(question: Question, { flags, edns }: Query, withEdns: boolean): OurQuery {
  const id = randomInt(0x10000);
  const passed = flags & (FLAG.recursionDesired | FLAG.authenticData | FLAG.checkingDisabled);
  const additionals = withEdns ? [optRecord(0, edns?.dnssecOk ?? false)] : [];
  return { id, message: writeMessage({ id, flags: passed, question: question.bytes, answers: [], authorities: [], additionals })! };
}
