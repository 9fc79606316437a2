/** The full-text index (FTS5) of the store. It is brought up to date when a search is made. */
import type { DatabaseSync } from 'node:sqlite';
import { MentuError } from '../../../core/index.ts';

/** Signals indexed in one transaction: about a tenth of a second in which other writers wait. */
const CHUNK = 5_000;

/** Indexes what was stored since the last search. */
export function catchUpWords(database: DatabaseSync): void {
  const stored = database.prepare('SELECT coalesce(max(seq), 0) AS seq FROM signals');
  const done = database.prepare('SELECT seq FROM indexed');
  const last = Number(stored.get()!['seq']);
  if (Number(done.get()!['seq']) >= last) return;
  const index = database.prepare(`
    INSERT INTO words (rowid, body, detail)
    SELECT seq, body, concat_ws(' ', type, domain, source, job, (SELECT group_concat(value, ' ') FROM json_each(tags)),
      data ->> '$.host', data ->> '$.error_message', data ->> '$.rule', data ->> '$.content_type')
    FROM signals WHERE seq > ? AND seq <= ?`);
  const advance = database.prepare('UPDATE indexed SET seq = ?');
  for (;;) {
    database.exec('BEGIN IMMEDIATE');
    try {
      // Read inside the transaction: another process may be indexing as well.
      const from = Number(done.get()!['seq']);
      const to = Math.min(from + CHUNK, last);
      if (from < last) {
        index.run(from, to);
        advance.run(to);
      }
      database.exec('COMMIT');
      if (to >= last) return;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** What a person typed as an FTS5 query: each word is quoted, so that none is taken for syntax. */
export function matchExpression(text: string): string {
  const phrases: string[] = [];
  for (const [, quoted, word] of text.matchAll(/"([^"]*)"|([^\s"]+)/g)) {
    const phrase = quoted ?? word!;
    if (!/[\p{L}\p{N}]/u.test(phrase)) continue;
    const prefix = quoted === undefined && phrase.endsWith('*');
    phrases.push(`"${prefix ? phrase.slice(0, -1) : phrase}"${prefix ? '*' : ''}`);
  }
  if (phrases.length === 0) throw new MentuError('bad_search', { text });
  return phrases.join(' AND ');
}
