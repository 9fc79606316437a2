/** CIR for programs: `const cir = openCir(); await cir.query({ type: 'network_flow', since: '24h' })`. */
import { existsSync } from 'node:fs';
import { MentuError, parseFilter } from '../../core/index.ts';
import { mentuHome, storeFile } from './location.ts';
import { parseMoment } from './moment.ts';
import { newSignalId, type Signal } from './signal.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { SignalStore, StoreStats } from './store.ts';

export { SIGNAL_FIELDS } from './signal.ts';
export type { Signal } from './signal.ts';
export type { StoreStats } from './store.ts';

export interface CirQuery {
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  readonly job?: string | undefined;
  /** How long ago (`24h`), a date, an RFC 3339 time, or a Date. */
  readonly since?: string | Date | undefined;
  readonly until?: string | Date | undefined;
  /** Expressions of the filter language; all must hold. */
  readonly where?: string | readonly string[] | undefined;
  /** Default 100; Infinity for all. */
  readonly limit?: number | undefined;
}

export interface NewSignal {
  readonly type: string;
  readonly domain?: string | undefined;
  /** 0 to 1. */
  readonly confidence?: number | undefined;
  readonly source?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

export const DEFAULT_LIMIT = 100;
const MAX_CAPTURE = 1024 * 1024;

/** The user's store, opened when it is first needed. Only `capture` creates it. */
export function openCir(home: string = mentuHome()): Cir {
  return new Cir(storeFile(home));
}

export class Cir {
  /** Where the store lies, or will lie. */
  readonly location: string;
  #store: Promise<SignalStore> | undefined;

  constructor(location: string) {
    this.location = location;
  }

  get exists(): boolean {
    return this.#store !== undefined || existsSync(this.location);
  }

  /** Newest first. */
  async query(query: CirQuery = {}): Promise<Signal[]> {
    return collect(this.stream(query));
  }

  /** As `query`, without holding the result in memory. */
  async *stream({ type, domain, job, since, until, where = [], limit = DEFAULT_LIMIT }: CirQuery = {}): AsyncGenerator<Signal> {
    const filters = (typeof where === 'string' ? [where] : where).map(parseFilter);
    const [from, to] = [moment(since), moment(until)];
    if (!this.exists) return;
    yield* (await this.store()).query({ type, domain, job, since: from, until: to, where: filters, limit });
  }

  /** Adds a signal for good. */
  async capture(body: string, signal: NewSignal): Promise<{ id: string }> {
    const now = Date.now();
    const { type, domain = null, confidence = null, source = null, tags = [], data = {} } = signal;
    const json = JSON.stringify(data);
    const mistake = mistakeOf(body, type, confidence, tags, data) ?? (body.length + json.length > MAX_CAPTURE ? 'body and data are over 1 MiB' : undefined);
    if (mistake !== undefined) throw new MentuError('bad_signal', { reason: mistake });
    const id = newSignalId(now);
    const job = typeof data['job'] === 'string' ? data['job'] : null;
    const created_at = new Date(now).toISOString();
    await (await this.store()).append([{ id, type, body, domain, confidence, source, created_at, job, tags: JSON.stringify(tags), data: json }]);
    return { id };
  }

  /** By words: all must occur; `"in a row"`, `begin*`. Newest first. */
  async search(text: string, { limit = DEFAULT_LIMIT }: { readonly limit?: number | undefined } = {}): Promise<Signal[]> {
    return collect(this.streamSearch(text, limit));
  }

  /** As `search`, without holding the result in memory. */
  async *streamSearch(text: string, limit: number = DEFAULT_LIMIT): AsyncGenerator<Signal> {
    if (this.exists) yield* (await this.store()).search({ text, limit });
  }

  async stats(): Promise<StoreStats> {
    if (this.exists) return (await this.store()).stats();
    return { location: this.location, signals: 0, jobs: 0, types: {}, domains: {}, first: null, last: null, size: 0 };
  }

  /** The store beneath, created where there is none. */
  store(): Promise<SignalStore> {
    return (this.#store ??= openSqliteStore(this.location));
  }

  async close(): Promise<void> {
    // A store that did not open has told so already.
    await (await this.#store?.catch(() => undefined))?.close();
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function moment(time: string | Date | undefined): Date | undefined {
  return typeof time === 'string' ? parseMoment(time) : time;
}

function mistakeOf(body: unknown, type: unknown, confidence: unknown, tags: unknown, data: unknown): string | undefined {
  if (typeof body !== 'string' || body.trim() === '') return 'the body is empty';
  if (typeof type !== 'string' || !/^[A-Za-z][\w.-]{0,63}$/.test(type)) return 'the type is to be letters, digits, "_", "-" and ".", such as build_note';
  if (confidence !== null && !(typeof confidence === 'number' && confidence >= 0 && confidence <= 1)) return 'the confidence is to be a number from 0 to 1';
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string' && tag !== '')) return 'the tags are to be texts that are not empty';
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'the data are to be an object';
  return undefined;
}
