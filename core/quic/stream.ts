/** A stream of a live connection: what it read waits in the transport until it is wanted, what it writes until the peer takes it. */
import type { QuicStream, QuicStreamEvents } from './connection.ts';
import { BROKEN, NOTHING, STREAM_WINDOW, type QuicMachine } from './machine.ts';

/** What is smaller is copied, so that it does not hold the memory of a whole chunk. */
const SMALL = 8 * 1024;
/** What is lost of a stream that the peer broke off while it was read: bytes of one turn, about. */
const LOST_UNHELD = 64 * 1024;
/** Chunks that one stream reads, and writes, before it is another's turn. */
const CHUNKS_A_TURN = 8;
const EMPTY = Buffer.alloc(0);

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly machine: QuicMachine;
  /** Something is to be done in the connection's next turn. */
  wake(): void;
  /** The stream has bytes that could not be written yet. */
  wait(stream: LiveStream): void;
  /** Of what the stream was, `read` bytes came. */
  received(bytes: number): void;
  /** The peer broke a stream off with so many bytes unread, at most: the transport gives no credit for them. */
  lost(bytes: number): void;
  /** Both sides are over. */
  over(stream: LiveStream): void;
}

export class LiveStream implements QuicStream {
  readonly id: number;
  readonly isBidirectional: boolean;
  readonly #host: StreamHost;
  #events: QuicStreamEvents | null = null;
  #queue: Buffer[] = [];
  #ending = false;
  #drainWanted = false;
  #paused = false;
  /** There may be more to read than came in one turn. */
  #isHeldBack = false;
  #readOver: boolean;
  #writeOver: boolean;
  #stopped = false;
  #told = false;

  constructor(host: StreamHost, id: number, isOurs: boolean) {
    this.#host = host;
    this.id = id;
    this.isBidirectional = (id & 2) === 0;
    this.#readOver = isOurs && !this.isBidirectional;
    this.#writeOver = !isOurs && !this.isBidirectional;
  }

  get canWrite(): boolean {
    return !this.#writeOver;
  }

  /** The peer may still send what nobody reads. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  get isWaiting(): boolean {
    return this.#queue.length > 0;
  }

  attach(events: QuicStreamEvents): void {
    this.#events = events;
    this.#host.wake();
  }

  write(chunk: Buffer): boolean {
    if (this.#writeOver || this.#ending || chunk.length === 0) return true;
    this.#host.wake();
    const rest = this.#queue.length > 0 ? chunk : this.#give(chunk, false);
    if (rest === null) return true;
    this.#hold(rest);
    this.#drainWanted = true;
    return false;
  }

  end(last: Buffer): void {
    if (last.length === 0) throw new RangeError('an end without bytes may be lost on its way');
    if (this.#writeOver || this.#ending) return;
    this.#ending = true;
    this.#drainWanted = false;
    this.#host.wake();
    const rest = this.#queue.length > 0 ? last : this.#give(last, true);
    if (rest === null) this.#writeEnded();
    else this.#hold(rest);
  }

  reset(code: number): void {
    if (this.#writeOver) return;
    this.#host.machine.shutdown(this.id, 'write', code);
    this.#host.wake();
    this.#writeEnded();
  }

  stopReading(code: number): void {
    if (this.#readOver) return;
    const { machine } = this.#host;
    // The transport gives no credit for what it holds of a stream that is not read any further: the connection's window would shrink.
    for (let read; (read = machine.read(this.id, machine.buffers.scratch)) > 0; ) this.#host.received(read);
    machine.shutdown(this.id, 'read', code);
    // What is on its way comes all the same, as much as the window allows.
    this.#host.received(STREAM_WINDOW);
    this.#stopped = true;
    this.#host.wake();
    this.#readEnded();
  }

  pause(): void {
    this.#paused = true;
    this.#isHeldBack = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#host.wake();
  }

  /** Reads what is there and wanted. True where there may be more than one stream's share of a turn. */
  pump(): boolean {
    for (let left = CHUNKS_A_TURN; left > 0; left--) {
      if (this.#events === null || this.#paused || this.#readOver) return false;
      const { machine } = this.#host;
      const { scratch } = machine.buffers;
      const read = machine.read(this.id, scratch);
      if (read === NOTHING) {
        this.#isHeldBack = false;
        return false;
      }
      if (read < 0) {
        const { code } = machine;
        this.#readEnded();
        this.#host.lost(this.#isHeldBack ? STREAM_WINDOW : LOST_UNHELD);
        this.#events.onReset(read === BROKEN ? code : 0);
        return false;
      }
      const { ended } = machine;
      if (read > 0) this.#deliver(scratch, read);
      if (!ended) continue;
      // It may have asked to stop meanwhile, or ended the connection.
      if (this.#readOver || this.#events === null) return false;
      this.#readEnded();
      this.#events.onEnd();
      return false;
    }
    return true;
  }

  /** Writes what waits. True where nothing does any longer. */
  flush(): boolean {
    for (let left = CHUNKS_A_TURN; this.#queue.length > 0; left--) {
      if (left === 0) return false;
      // To try in vain makes the transport say so to the peer, which answers, and so on.
      if (this.#host.machine.writeState(this.id) === 0) return false;
      const isLast = this.#ending && this.#queue.length === 1;
      const rest = this.#give(this.#queue[0]!, isLast);
      if (this.#writeOver) return true;
      if (rest !== null) {
        this.#queue[0] = rest;
        return false;
      }
      this.#queue.shift();
      if (isLast) this.#writeEnded();
    }
    if (this.#drainWanted) {
      this.#drainWanted = false;
      this.#events?.onDrain();
    }
    return true;
  }

  /** Looks whether the peer has asked us to stop, which no write would find out. */
  checkStopped(): void {
    if (this.#writeOver) return;
    const state = this.#host.machine.writeState(this.id);
    if (state < 0) this.#stoppedByPeer(state === BROKEN ? this.#host.machine.code : 0);
  }

  /** What could not be written; null where all was, or nothing more will be. */
  #give(chunk: Buffer, isLast: boolean): Buffer | null {
    const written = this.#host.machine.write(this.id, chunk, isLast);
    if (written === NOTHING) return chunk;
    if (written === BROKEN) this.#stoppedByPeer(this.#host.machine.code);
    else if (written < 0) this.#writeEnded();
    else if (written < chunk.length) return chunk.subarray(written);
    return null;
  }

  #hold(chunk: Buffer): void {
    this.#queue.push(chunk);
    this.#host.wait(this);
  }

  #deliver(scratch: Buffer, read: number): void {
    this.#host.received(read);
    const isSmall = read < SMALL;
    if (!isSmall) this.#host.machine.buffers.renewScratch();
    this.#events!.onData(isSmall ? Buffer.from(scratch.subarray(0, read)) : scratch.subarray(0, read));
  }

  #stoppedByPeer(code: number): void {
    this.#writeEnded();
    // In a turn of its own: the writer is in the middle of something.
    setImmediate(() => this.#events?.onStopSending(code));
  }

  #readEnded(): void {
    this.#readOver = true;
    this.#settle();
  }

  #writeEnded(): void {
    this.#writeOver = true;
    this.#queue = [];
    this.#drainWanted = false;
    this.#settle();
  }

  #settle(): void {
    if (!this.#readOver || !this.#writeOver || this.#told) return;
    this.#told = true;
    this.#host.over(this);
  }

  /** The connection is over: nobody is told of anything any more. */
  drop(): void {
    this.#events = null;
    this.#queue = [];
  }

  /** Makes the stream known to the transport, which counts it from then on. False where the peer allows no more. */
  begin(): boolean {
    const begun = this.#host.machine.write(this.id, EMPTY, false);
    return begun >= 0 || begun === NOTHING;
  }
}
