/** A client of HTTP/3: ngtcp2's `gtlsclient`, which asks as often as it is told over one connection. */
import { execFile } from 'node:child_process';
import { HOST } from '../origin.ts';
import type { Tally } from './exchange.ts';

/** Requests for each second that a turn is to take. */
const PER_SECOND = 4000;
/** Requests of which every answer is looked at. */
const LOOKED_AT = 50;
const LONGEST = 120_000;
const WORDS = 64 * 1024 * 1024;

/** @param port of UDP. It trusts whomever it reaches, and takes its server name from the host. */
export async function loadHttp3(port: number, authorityPort: number, seconds: number): Promise<Tally> {
  const whole = await ask(port, authorityPort, LOOKED_AT, ['--no-quic-dump', '--no-http-dump']);
  const wrong = wrongAnswers(whole.words, LOOKED_AT);
  if (wrong !== null) return { answered: 0, count: 0, seconds: Number.NaN, failure: wrong };
  const count = PER_SECOND * seconds;
  // Silent, it has one thing less to do; it still tells errors.
  const { words, took } = await ask(port, authorityPort, count, ['--quiet']);
  const told = words.trim();
  const isWhole = told === '';
  return { answered: isWhole ? count + LOOKED_AT : LOOKED_AT, count: isWhole ? count : 0, seconds: took, failure: isWhole ? null : told.slice(0, 200) };
}

/** What is wrong with the answers that it told of, one `[:status: 200]` each; null where nothing is. */
export function wrongAnswers(words: string, expected: number): string | null {
  const statuses = Array.from(words.matchAll(/^http: stream 0x[0-9a-f]+ \[:status: (\d+)\]$/gm), ([, status]) => status!);
  const other = statuses.find((status) => status !== '200');
  if (other !== undefined) return `it answered ${other}`;
  if (statuses.length === expected) return null;
  const lines = words.trimEnd().split('\n').filter((line) => /\bERR_/.test(line));
  return `${statuses.length} of ${expected} answers${lines.length > 0 ? `: ${lines.at(-1)!.slice(0, 160)}` : ''}`;
}

/** Seconds, and what it wrote; its exit code says nothing. */
function ask(port: number, authorityPort: number, count: number, options: readonly string[]): Promise<{ took: number; words: string }> {
  const began = performance.now();
  return new Promise((resolve) => {
    const args = [...options, '--exit-on-all-streams-close', '-n', String(count), HOST, String(port), `https://${HOST}:${authorityPort}/small`];
    execFile('gtlsclient', args, { timeout: LONGEST, maxBuffer: WORDS }, (error, stdout, stderr) => {
      const killed = error?.killed ? `no end within ${LONGEST / 1000} s` : '';
      resolve({ took: (performance.now() - began) / 1000, words: `${stdout}${stderr}${killed}` });
    });
  });
}
