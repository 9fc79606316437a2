/** The embedded store: SQLite in WAL mode, so that jobs side by side write and queries read at once. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { statSync } from 'node:fs';
import { FLOW_SIGNAL, type PackedSignal, type Signal } from '../signal.ts';
import type { SearchQuery, SignalQuery, SignalStore, StoreStats } from '../store.ts';
import { openDatabase, storeError } from './database.ts';
import { catchUpWords, matchExpression } from './words.ts';
import { Bindings, compileFilter } from './where.ts';

type Row = Record<string, SQLOutputValue>;

const COLUMNS = 's.seq, s.id, s.type, s.body, s.domain, s.confidence, s.source, s.created_at, json(s.tags) AS tags, json(s.data) AS data';
/** Rows of one read. Each page is a statement of its own, so that a slow reader does not keep the log from being folded in. */
const PAGE = 500;

/** Opens the store at a path, creating it where there is none. Throws `store_…`. */
export async function openSqliteStore(file: string): Promise<SignalStore> {
  return new SqliteStore(file, await openDatabase(file));
}

class SqliteStore implements SignalStore {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(file: string, database: DatabaseSync) {
    this.#file = file;
    this.#database = database;
    this.#insert = database.prepare(
      'INSERT INTO signals (id, type, created_at, job, domain, confidence, source, body, tags, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, jsonb(?), jsonb(?))',
    );
  }

  async append(signals: readonly PackedSignal[]): Promise<number> {
    return this.#guarded(() => {
      let added = 0;
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        for (const { id, type, created_at, job, domain, confidence, source, body, tags, data } of signals) {
          added += Number(this.#insert.run(id, type, created_at, job, domain, confidence, source, body, tags, data).changes);
        }
        this.#database.exec('COMMIT');
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
      return added;
    });
  }

  async *query(query: SignalQuery): AsyncGenerator<Signal> {
    const bindings = new Bindings();
    const conditions = conditionsOf(query, bindings);
    const newest = (query.order ?? 'newest') === 'newest';
    const [after, direction] = newest ? ['<', 'DESC'] : ['>', 'ASC'];
    const from = (condition: string): string =>
      `SELECT ${COLUMNS} FROM signals AS s WHERE ${[...conditions, condition].join(' AND ')} ORDER BY s.created_at ${direction}, s.seq ${direction} LIMIT :page`;
    yield* this.#pages(from('1'), from(`(s.created_at, s.seq) ${after} (:time, :seq)`), bindings, query.limit);
  }

  async *search(query: SearchQuery): AsyncGenerator<Signal> {
    this.#guarded(() => catchUpWords(this.#database));
    const bindings = new Bindings();
    const match = bindings.bind(matchExpression(query.text));
    const from = (condition: string): string =>
      `SELECT ${COLUMNS} FROM words JOIN signals AS s ON s.seq = words.rowid WHERE words MATCH ${match} AND ${condition} ORDER BY words.rowid DESC LIMIT :page`;
    yield* this.#pages(from('1'), from('words.rowid < :seq'), bindings, query.limit);
  }

  async stats(): Promise<StoreStats> {
    return this.#guarded(() => {
      const counts = (column: string): Record<string, number> =>
        Object.fromEntries(this.#rows(`SELECT ${column} AS name, count(*) AS n FROM signals WHERE ${column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1`).map((row) => [String(row['name']), Number(row['n'])]));
      const whole = this.#rows('SELECT count(*) AS n, min(created_at) AS first, max(created_at) AS last, count(DISTINCT job) AS jobs FROM signals')[0]!;
      return {
        location: this.#file,
        signals: Number(whole['n']),
        jobs: Number(whole['jobs']),
        types: counts('type'),
        domains: counts('domain'),
        first: whole['first'] as string | null,
        last: whole['last'] as string | null,
        size: [this.#file, `${this.#file}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0),
      };
    });
  }

  async close(): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }

  async *#pages(first: string, next: string, bindings: Bindings, limit = Infinity): AsyncGenerator<Signal> {
    let left = limit;
    let last: Row | undefined;
    while (left > 0) {
      const page = Math.min(PAGE, left);
      const place = last === undefined ? {} : { ':time': last['created_at']!, ':seq': last['seq']! };
      const rows = this.#guarded(() => {
        const statement = this.#database.prepare(last === undefined ? first : next);
        statement.setAllowUnknownNamedParameters(true);
        return statement.all({ ...bindings.values, ...place, ':page': page });
      });
      for (const row of rows) yield signalOf(row);
      if (rows.length < page) return;
      left -= rows.length;
      last = rows.at(-1);
    }
  }

  #rows(sql: string): Row[] {
    return this.#database.prepare(sql).all();
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(this.#file, error);
    }
  }
}

function conditionsOf(query: SignalQuery, bindings: Bindings): string[] {
  const conditions: string[] = [];
  if (query.type !== undefined) {
    conditions.push(`s.type = ${bindings.bind(query.type)}`);
    // Said in so many words, for the planner to see that the partial index applies.
    if (query.type !== FLOW_SIGNAL) conditions.push(`s.type <> '${FLOW_SIGNAL}'`);
  }
  if (query.domain !== undefined) conditions.push(`s.domain = ${bindings.bind(query.domain)}`);
  if (query.job !== undefined) conditions.push(`s.job = ${bindings.bind(query.job)}`);
  if (query.since !== undefined) conditions.push(`s.created_at >= ${bindings.bind(query.since.toISOString())}`);
  if (query.until !== undefined) conditions.push(`s.created_at < ${bindings.bind(query.until.toISOString())}`);
  for (const expression of query.where ?? []) conditions.push(compileFilter(expression, bindings));
  return conditions;
}

function signalOf(row: Row): Signal {
  return {
    id: row['id'] as string,
    type: row['type'] as string,
    body: row['body'] as string,
    domain: row['domain'] as string | null,
    confidence: row['confidence'] as number | null,
    source: row['source'] as string | null,
    created_at: row['created_at'] as string,
    tags: JSON.parse(row['tags'] as string) as string[],
    data: JSON.parse(row['data'] as string) as Record<string, unknown>,
  };
}
