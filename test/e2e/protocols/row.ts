/**
 * One row of the table in `docs/protocols.md`: a foreign client in a guest, a foreign server outside, what they spoke,
 * and what came of it. A test for each; `test/docs/protocols.test.ts` holds the table against the rows.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

const LIMIT = { timeout: 120_000 };

export interface Row {
  readonly client: string;
  readonly server: string;
  /** As the table shows it, such as `WebSocket over HTTP/1.1`. */
  readonly protocol: string;
  /** What the record has, in a few words, such as `1 flow, 6 messages, close 1000`. */
  readonly result: string;
}

/** @param run does it, asserts all of it, and returns what came of it: the words of `result`. */
export function row({ client, server, protocol, result }: Row, run: () => Promise<string>): void {
  test(`${client} → ${server}: ${protocol}`, LIMIT, async (t) => {
    const came = await run();
    assert.equal(came, result);
    t.diagnostic(`| ${client} | ${server} | ${protocol} | ${came} |`);
  });
}
