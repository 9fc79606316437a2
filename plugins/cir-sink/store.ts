/** What CIR asks of a store. SQLite is the embedded one; other engines implement the same. */
import type { Expression } from '../../core/index.ts';
import type { PackedSignal, Signal } from './signal.ts';

export interface SignalQuery {
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  readonly job?: string | undefined;
  /** From this moment on. */
  readonly since?: Date | undefined;
  /** Up to and without this moment. */
  readonly until?: Date | undefined;
  /** All of them must hold. Names are the signal's own fields, else those of its `data`. */
  readonly where?: readonly Expression[] | undefined;
  /** At most so many; absent: all. */
  readonly limit?: number | undefined;
  /** By `created_at`, then by arrival. Default `newest`. */
  readonly order?: 'newest' | 'oldest' | undefined;
}

export interface SearchQuery {
  /** Words that must all occur; `"several words"` in this order, `begin*` any word that begins so. */
  readonly text: string;
  readonly limit?: number | undefined;
}

export interface StoreStats {
  /** Where the store lies. */
  readonly location: string;
  readonly signals: number;
  readonly jobs: number;
  readonly types: Readonly<Record<string, number>>;
  readonly domains: Readonly<Record<string, number>>;
  /** `created_at` of the oldest and the newest; null in an empty store. */
  readonly first: string | null;
  readonly last: string | null;
  /** Bytes on disk. */
  readonly size: number;
}

export interface SignalStore {
  /** Stores what is not there yet, all of it or nothing; resolves to the number of signals that were new. */
  append(signals: readonly PackedSignal[]): Promise<number>;
  /** Streams; memory does not grow with the result, and a slow reader holds no writer up. */
  query(query: SignalQuery): AsyncIterable<Signal>;
  /** Newest first. */
  search(query: SearchQuery): AsyncIterable<Signal>;
  stats(): Promise<StoreStats>;
  close(): Promise<void>;
}
