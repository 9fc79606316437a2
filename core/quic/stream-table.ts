/** The streams of a connection that are in use, and those that are over for us while the peer may still send. */
import type { QuicMachine } from './machine.ts';
import type { LiveStream } from './stream.ts';

/** Milliseconds between two looks for streams that the peer does not read, where there are more than a few. */
const STOP_CHECK = 20;
const FEW_STREAMS = 128;

export class StreamTable {
  readonly #machine: QuicMachine;
  readonly #streams = new Map<number, LiveStream>();
  /** Of them, those that carry requests. */
  #bidirectional = 0;
  /** Streams that nobody reads, until the peer has ended them too. */
  readonly #unread = new Set<number>();
  #stopsChecked = 0;
  /** When to look for stopped streams again, where a look was left out. */
  stopsDue = Infinity;

  constructor(machine: QuicMachine) {
    this.#machine = machine;
  }

  /** Whether a stream is open that waits for something; those in one direction are there all the time. */
  get isBusy(): boolean {
    return this.#bidirectional > 0;
  }

  get(id: number): LiveStream | undefined {
    return this.#streams.get(id);
  }

  isUnread(id: number): boolean {
    return this.#unread.has(id);
  }

  add(stream: LiveStream): void {
    this.#streams.set(stream.id, stream);
    if (stream.isBidirectional) this.#bidirectional++;
  }

  /** Both sides are over. */
  leave(stream: LiveStream): void {
    const { id, isBidirectional } = stream;
    if (!this.#streams.delete(id)) return;
    if (isBidirectional) this.#bidirectional--;
    if (stream.isStopped && !this.#machine.isFinished(id)) this.#unread.add(id);
  }

  checkStops(): void {
    const now = performance.now();
    const soon = this.#streams.size > FEW_STREAMS && now - this.#stopsChecked < STOP_CHECK;
    this.stopsDue = soon ? this.#stopsChecked + STOP_CHECK : Infinity;
    if (this.#streams.size === 0 || soon) return;
    this.#stopsChecked = now;
    for (const stream of this.#streams.values()) stream.checkStopped();
  }

  /** To be called when something has come. */
  forgetRead(): void {
    for (const id of this.#unread) if (this.#machine.isFinished(id)) this.#unread.delete(id);
  }

  drop(): void {
    for (const stream of this.#streams.values()) stream.drop();
    this.#streams.clear();
    this.#bidirectional = 0;
    this.#unread.clear();
  }
}
