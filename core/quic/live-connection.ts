/**
 * A QUIC connection in motion: datagrams in, turns in which its streams read and write, datagrams out, and its timer.
 * What came in one round of the event loop is worked on in one turn.
 */
import { Alarm } from './alarm.ts';
import type { QuicConnection, QuicConnectionEvents, QuicEnd, QuicStream } from './connection.ts';
import { endOf } from './ending.ts';
import type { QuicMachine } from './machine.ts';
import { Outlet } from './outlet.ts';
import { isLongHeader } from './packet.ts';
import { ReceiptBudget } from './receipt-budget.ts';
import { LiveStream, type StreamHost } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const INTERNAL_ERROR = 0x1;
const APPLICATION_ERROR = 0xc;
/** Milliseconds of silence after which the connection of an open request asks whether the peer is there. */
const KEEP_ALIVE = 15_000;
/** Half of what the peer may send on all streams together, before some of it is read. Bytes. */
const LOSS_LIMIT = 4 * 1024 * 1024;

export interface LiveConnectionOptions {
  readonly role: 'client' | 'server';
  /** Bytes of the largest datagram that is sent. */
  readonly maxDatagram: number;
  readonly send: (slab: Buffer, offset: number, length: number) => void;
  /** The handshake is complete. */
  readonly onEstablished: () => void;
  /** The connection is over before it was handed to anyone. */
  readonly onFailed: (end: QuicEnd) => void;
  /** It wants no more datagrams; called once. */
  readonly onGone: () => void;
}

export class LiveConnection implements QuicConnection, StreamHost {
  readonly machine: QuicMachine;
  readonly #options: LiveConnectionOptions;
  readonly #outlet: Outlet;
  readonly #streams: StreamTable;
  readonly #waiting = new Set<LiveStream>();
  readonly #next: { bidirectional: number; unidirectional: number };
  readonly #denied = { bidirectional: false, unidirectional: false };
  readonly #budget = new ReceiptBudget();
  readonly #alarm = new Alarm(() => this.#rung());
  #events: QuicConnectionEvents | null = null;
  #established = false;
  #over: QuicEnd | null = null;
  #closed = false;
  /** A server's handshake is confirmed as soon as it is complete. */
  #confirmed: boolean;
  #gone = false;
  #scheduled: NodeJS.Immediate | null = null;
  #heard = performance.now();
  /** Bytes that the peer may send no more, for nobody will read them. */
  #lost = 0;

  constructor(machine: QuicMachine, options: LiveConnectionOptions) {
    this.machine = machine;
    this.#options = options;
    this.#streams = new StreamTable(machine);
    this.#outlet = new Outlet(options.maxDatagram, options.send);
    this.#confirmed = options.role === 'server';
    const first = options.role === 'client' ? 0 : 1;
    this.#next = { bidirectional: first, unidirectional: first + 2 };
  }

  get alpn(): string {
    return this.machine.alpn;
  }

  attach(events: QuicConnectionEvents): void {
    this.#events = events;
    const over = this.#over;
    // It ended before there was anyone to tell.
    if (over) setImmediate(() => events.onClose(over));
    this.wake();
  }

  open(kind: 'bidirectional' | 'unidirectional'): QuicStream | null {
    if (this.#over || this.#closed) return null;
    const stream = this.machine.streamsLeft(kind) > 0 ? new LiveStream(this, this.#next[kind], true) : null;
    if (!stream?.begin()) {
      this.#denied[kind] = true;
      return null;
    }
    this.#next[kind] += 4;
    this.#streams.add(stream);
    return stream;
  }

  close(code: number, reason: string): void {
    if (this.#closed || this.#over) return;
    for (const stream of this.#waiting) stream.flush();
    this.#outlet.drain(this.machine);
    this.#shut(true, code, reason);
  }

  /** Closes with an error of the transport; whoever holds the connection is told. */
  abort(code: number, reason: string): void {
    if (this.#closed || this.#over) return;
    const end: QuicEnd = { by: 'local', code, isApplication: false, reason };
    const events = this.#events;
    this.#over = end;
    this.#shut(false, code, reason);
    if (this.#established) events?.onClose(end);
    else this.#options.onFailed(end);
  }

  /** A datagram of the peer's; it is deciphered in place. */
  receive(datagram: Buffer): void {
    if (this.#gone) return;
    this.#heard = performance.now();
    this.#budget.datagram(datagram.length);
    if (!isLongHeader(datagram)) this.#confirmed = true;
    this.machine.receive(datagram);
    this.wake();
  }

  wake(): void {
    if (!this.#gone) this.#scheduled ??= setImmediate(this.#turn);
  }

  wait(stream: LiveStream): void {
    this.#waiting.add(stream);
  }

  received(bytes: number): void {
    this.#budget.delivered(bytes);
  }

  lost(bytes: number): void {
    if (this.#lost >= LOSS_LIMIT) return;
    this.#lost += bytes;
    this.#budget.delivered(bytes);
    // In a turn of its own: the reader of the stream has not been told yet.
    if (this.#lost >= LOSS_LIMIT) setImmediate(() => this.#closed || this.#over || this.#events?.onExhausted?.());
  }

  over(stream: LiveStream): void {
    this.#streams.leave(stream);
    this.#waiting.delete(stream);
  }

  readonly #turn = (): void => {
    this.#scheduled = null;
    if (this.#gone) return;
    if (!this.#established && this.machine.isEstablished && !this.machine.isClosed && this.machine.localError === null) {
      this.#established = true;
      this.#options.onEstablished();
    }
    if (this.#established && !this.#closed) this.#work();
    if (this.#budget.isSpent) this.abort(INTERNAL_ERROR, 'more than the streams hold');
    if (this.#outlet.drain(this.machine)) this.#look();
    else this.#leave();
  };

  #work(): void {
    let more = false;
    // First, for a stream that has been read to its end may be forgotten.
    this.#streams.checkStops();
    for (const id of this.machine.readable()) {
      const stream = this.#streams.get(id) ?? this.#accept(id);
      if (stream?.pump()) more = true;
      if (this.#closed) return;
    }
    for (const stream of [...this.#waiting]) {
      this.#waiting.delete(stream);
      // Who has more goes to the end of the line.
      if (!stream.flush() && stream.isWaiting) this.#waiting.add(stream);
      if (this.#closed) return;
    }
    this.#streams.forgetRead();
    for (const kind of ['bidirectional', 'unidirectional'] as const) {
      if (!this.#denied[kind] || this.machine.streamsLeft(kind) === 0) continue;
      this.#denied[kind] = false;
      this.#events?.onStreamsAllowed();
    }
    if (more) this.wake();
  }

  /** Whatever its number: under loss streams begin in any order. */
  #accept(id: number): LiveStream | null {
    const isOurs = (id & 1) === (this.#options.role === 'client' ? 0 : 1);
    if (isOurs || this.#events === null || this.#streams.isUnread(id)) return null;
    const stream = new LiveStream(this, id, false);
    this.#streams.add(stream);
    this.#events.onStream(stream);
    return stream;
  }

  /** Notes whether the connection is over, and when to look again. */
  #look(): void {
    const { machine } = this;
    if ((machine.isDraining || machine.isClosed) && !this.#over) this.#ended();
    if (machine.isClosed) return this.#leave();
    const timeout = machine.timeout() ?? Infinity;
    const idle = this.#streams.isBusy && this.#established ? KEEP_ALIVE : Infinity;
    const due = Math.min(performance.now() + Math.min(timeout, idle), this.#streams.stopsDue);
    this.#alarm.ringBy(due);
  }

  #rung(): void {
    const { machine } = this;
    if ((machine.timeout() ?? Infinity) <= 0) machine.onTimeout();
    if (this.#streams.isBusy && performance.now() - this.#heard >= KEEP_ALIVE - 1) machine.ping();
    this.#turn();
  }

  #ended(): void {
    const { machine } = this;
    this.#over = endOf(machine, this.#established);
    const events = this.#events;
    this.#drop();
    if (this.#closed) return;
    if (this.#established) events?.onClose(this.#over);
    else this.#options.onFailed(this.#over);
  }

  #shut(isApplication: boolean, code: number, reason: string): void {
    this.#closed = true;
    this.#drop();
    // Before the handshake is confirmed there is no packet that could carry an application's error (RFC 9000, section 10.2.3).
    if (isApplication && !this.#confirmed) this.machine.close(false, APPLICATION_ERROR, '');
    else this.machine.close(isApplication, code, reason);
    this.wake();
  }

  #drop(): void {
    this.#events = null;
    this.#streams.drop();
    this.#waiting.clear();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#alarm.stop();
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#options.onGone();
  }

  /** Lets go at once, whatever is under way: what was to be sent is sent. */
  leave(): void {
    this.#outlet.drain(this.machine);
    this.#leave();
  }
}
