/** The client: Debian's `hey`, which keeps its connections and speaks both versions through a CONNECT proxy. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { HOST } from './origin.ts';

const run = promisify(execFile);
/** hey keeps so many results for its percentiles; beyond it they would be of the first part of the run. */
const MAX_RESULTS = 1_000_000;

export type Version = 'h1' | 'h2';

export interface LoadOptions {
  readonly originPort: number;
  readonly proxyPort: number | null;
  readonly version: Version;
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  /** Milliseconds; hey tells them to a tenth. */
  readonly p50: number;
  readonly p99: number;
  /** What went wrong, in hey's words; null where every answer was 200. */
  readonly failure: string | null;
}

/**
 * Asks for the small body as fast as `connections` workers can, for `seconds`.
 *
 * `-t 0`: with a time limit on its requests hey breaks off each connection that it is still opening when another
 * has become free, and opens the next at once, so that it never gets to keep as many as it was told to.
 * `-cpus 1`: on one core it needs less time for a request than on several, and leaves the others to who is measured.
 * `-host`: it takes the TLS server name from there, and would otherwise send one with a port in it.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const args = ['-t', '0', '-cpus', '1', '-z', `${options.seconds}s`, '-c', String(options.connections), '-host', HOST];
  if (options.version === 'h2') args.push('-h2');
  if (options.proxyPort !== null) args.push('-x', `http://127.0.0.1:${options.proxyPort}`);
  args.push(`https://${HOST}:${options.originPort}/small`);
  const { stdout } = await run('hey', args, { timeout: (options.seconds + 40) * 1000, maxBuffer: 64 * 1024 * 1024 });
  return readSummary(stdout);
}

/** Reads hey's summary. */
export function readSummary(text: string): LoadResult {
  const statuses = [...text.matchAll(/^\s+\[(\d{3})\]\s+(\d+) responses$/gm)].map(([, status, count]) => ({ status: Number(status), count: Number(count) }));
  const ok = statuses.find(({ status }) => status === 200)?.count ?? 0;
  const total = Number(/^\s+Total:\s+([\d.]+) secs$/m.exec(text)?.[1] ?? Number.NaN);
  const percentile = (p: number): number => Number(new RegExp(`^\\s+${p}% in ([\\d.]+) secs$`, 'm').exec(text)?.[1] ?? Number.NaN) * 1000;
  const errors = /Error distribution:\s*\n([\s\S]*)/.exec(text)?.[1]?.trim() ?? '';
  const others = statuses.filter(({ status }) => status !== 200).map(({ status, count }) => `${count} × ${status}`);
  const failures = [...others, ...(errors === '' ? [] : [errors.split('\n').slice(0, 3).join('; ')])];
  if (ok === 0 && failures.length === 0) failures.push(`no answer: ${text.trim().slice(0, 200)}`);
  if (ok > MAX_RESULTS) failures.push(`more than ${MAX_RESULTS} answers, of which hey keeps no times`);
  return { requests: ok, perSecond: ok / total, p50: percentile(50), p99: percentile(99), failure: failures.length === 0 ? null : failures.join('; ') };
}
