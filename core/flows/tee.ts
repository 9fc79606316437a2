/** One direction of a flow's body on its way through: observed, captured for the record, and held back where someone is slow. */
import type { Headers } from '../headers.ts';
import type { BodyRecord } from '../record.ts';
import type { BufferReclaimer } from './reclaimer.ts';

export type BodyObserver = (chunk: Uint8Array) => void;

/** Takes a body down for the record; the recorder's `BodyCapture` is one. */
export interface BodyTaker {
  /** Called once after each `write` that returned false, when there is room again. */
  onDrain: (() => void) | null;
  /** False asks for a pause of the source. */
  write(chunk: Buffer): boolean;
  end(): void;
  finish(headers: Headers, done: (body: BodyRecord) => void): void;
}

/** Reads a body as it passes, for the record. */
export interface BodyWatcher {
  /** Called once after each `write` that returned false, when there is room again. */
  onDrain: (() => void) | null;
  /** False asks for a pause of the source. */
  write(chunk: Buffer): boolean;
  /** The body is whole. It is not called for one that was broken off. */
  end(): void;
}

/** What the tees of all flows share. */
export interface TeeHost {
  readonly reclaimer: BufferReclaimer;
  /** Null where nothing is recorded. */
  bodyCapture(): BodyTaker | null;
  /** Runs a plugin's observer; its failure changes nothing. */
  guard(plugin: string, observe: () => void): void;
}

/** Why the source is paused. */
export const HELD_BY_PEER = 1;
export const HELD_BY_CAPTURE = 2;
export const HELD_BY_HOOK = 4;
const HELD_BY_WATCHER = 8;
type Hold = typeof HELD_BY_PEER | typeof HELD_BY_CAPTURE | typeof HELD_BY_HOOK | typeof HELD_BY_WATCHER;

export interface TeeSource {
  pause(): void;
  resume(): void;
}

export class Tee {
  /** Made with the first chunk; null where there was none, or nothing is recorded. */
  capture: BodyTaker | null = null;
  trailers: Headers | null = null;
  /** True once all of the body has passed. */
  isWhole = false;
  readonly #host: TeeHost;
  readonly #source: TeeSource;
  #observers: { readonly plugin: string; readonly observe: BodyObserver }[] | null = null;
  #watcher: BodyWatcher | null = null;
  #size = 0;
  #held = 0;

  constructor(host: TeeHost, source: TeeSource) {
    this.#host = host;
    this.#source = source;
  }

  /** Bytes that have passed. */
  get size(): number {
    return this.#size;
  }

  observe(plugin: string, observe: BodyObserver): void {
    (this.#observers ??= []).push({ plugin, observe });
  }

  /** There is one watcher at most. */
  watch(watcher: BodyWatcher): void {
    this.#watcher = watcher;
    watcher.onDrain = () => this.release(HELD_BY_WATCHER);
  }

  /** Gives the chunk to who watches. The chunk may be forwarded at once, whatever they make of it. */
  pass(chunk: Buffer): void {
    if (this.#size === 0) this.#begin();
    this.#size += chunk.length;
    this.#host.reclaimer.passed(chunk.length);
    if (this.#observers) for (const { plugin, observe } of this.#observers) this.#host.guard(plugin, () => observe(chunk));
    if (this.capture && !this.capture.write(chunk)) this.hold(HELD_BY_CAPTURE);
    if (this.#watcher && !this.#watcher.write(chunk)) this.hold(HELD_BY_WATCHER);
  }

  end(trailers: Headers | null): void {
    this.isWhole = true;
    this.trailers = trailers;
    this.capture?.end();
    this.#watcher?.end();
  }

  hold(reason: Hold): void {
    const before = this.#held;
    this.#held |= reason;
    if (before === 0) this.#source.pause();
  }

  release(reason: Hold): void {
    if (this.#held === 0) return;
    this.#held &= ~reason;
    if (this.#held === 0) this.#source.resume();
  }

  #begin(): void {
    this.capture = this.#host.bodyCapture();
    if (this.capture) this.capture.onDrain = () => this.release(HELD_BY_CAPTURE);
  }
}
