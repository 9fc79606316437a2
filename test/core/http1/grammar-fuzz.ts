/** Runs of mutated messages over the parsers of HTTP/1, in any number; each repeats by its seed. */
import assert from 'node:assert/strict';
import { bodyReader } from '../../../core/http1/body.ts';
import { CHUNKED, Http1SyntaxError, parseRequestHead, requestFraming, writeHead, type Framing } from '../../../core/http1/head.ts';
import { Seed } from '../../stage/seed.ts';

/** What is accepted must come out again as the very head that went in, but for blanks around values. */
export function fuzzRequestHeads(runs: number, seed = new Seed(1)): void {
  const base = Buffer.from('POST /path?q=1 HTTP/1.1\r\nHost: api.test\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\nX-A: b\r\nCookie: a=1; b=2');
  let accepted = 0;
  for (let i = 0; i < runs; i++) {
    const text = seed.mutated(base, ['\r', '\n', '\r\n', ' ', '\t', ':', '\0', '\r\n ', 'HTTP/1.1', 'Host: b\r\n']).toString('latin1');
    try {
      const line = parseRequestHead(text);
      accepted++;
      const written = writeHead(`${line.method} ${line.target} ${line.version}`, line.headers);
      const canonical = (head: string): string => head.replace(/:[ \t]*/g, ': ').replace(/[ \t]+(?=\r\n|$)/g, '');
      assert.equal(canonical(written.slice(0, -4)), canonical(text), JSON.stringify(text));
      assert.deepEqual(parseRequestHead(written.slice(0, -4)), line);
      requestFraming(line);
    } catch (error) {
      if (!(error instanceof Http1SyntaxError)) throw error;
    }
  }
  assert.ok(accepted > runs / 100, `only ${accepted} of ${runs} were accepted: the mutations are too wild to say anything`);
}

export interface Reading {
  readonly body: string;
  readonly trailers: string[] | null;
  readonly done: boolean;
  /** What stands behind the body. */
  readonly rest: string;
}

/** Feeds the bytes in the given pieces; an error is given as its message. */
export function read(framing: Framing, pieces: readonly Buffer[]): Reading | string {
  const reader = bodyReader(framing);
  let body = '';
  let rest = '';
  try {
    for (const piece of pieces) {
      if (reader.done) {
        rest += piece.toString('latin1');
        continue;
      }
      const taken = reader.read(piece, { onBody: (chunk) => (body += chunk.toString('latin1')) });
      assert.ok(taken === piece.length || reader.done, 'bytes were left over by a body that is not done');
      rest += piece.toString('latin1', taken);
    }
  } catch (error) {
    if (!(error instanceof Http1SyntaxError)) throw error;
    return error.message;
  }
  return { body, trailers: reader.trailers?.raw ?? null, done: reader.done, rest };
}

export const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
export const CHUNKED_BODY = Buffer.from('3\r\nabc\r\n0a;ext="1";x\r\n0123456789\r\n0\r\nA: 1\r\nb: 2\r\n\r\nGET /next');

/** Mutated bodies in random pieces read the same as in one piece. */
export function fuzzChunkedBodies(runs: number, seed = new Seed(2)): void {
  for (let i = 0; i < runs; i++) {
    const bytes = seed.mutated(CHUNKED_BODY, ['\r', '\n', '\r\n', '0', '0\r\n\r\n', ';', ' ', 'ffffffff', 'A: 1\r\n']);
    const whole = read(CHUNKED, [bytes]);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + seed.below(12);
      pieces.push(bytes.subarray(at, at + length));
      at += length;
    }
    const parted = read(CHUNKED, pieces);
    // An error may come in the middle of a piece whose beginning was fine: what counts is that both end in the same error.
    assert.deepEqual(parted, whole, JSON.stringify(bytes.toString('latin1')));
  }
}
