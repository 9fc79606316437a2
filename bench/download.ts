/** One large body by curl: how fast it passes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DOWNLOAD_MIB, HOST } from './origin.ts';

const run = promisify(execFile);
/** Slower than this is told and not waited for. */
const SECONDS = 20;

/** curl's exit code for --max-time. */
const TIMED_OUT = 28;

export interface DownloadResult {
  readonly mibPerSecond: number;
  readonly failure: string | null;
}

export async function download(originPort: number, proxyPort: number | null): Promise<DownloadResult> {
  const args = ['--silent', '--insecure', '--http1.1', '--max-time', String(SECONDS), '--output', '/dev/null', '--write-out', '%{http_code} %{size_download} %{time_total}'];
  if (proxyPort !== null) args.push('--proxy', `http://127.0.0.1:${proxyPort}`);
  else args.push('--noproxy', '*');
  try {
    const { stdout } = await run('curl', [...args, `https://${HOST}:${originPort}/large.bin`], { timeout: (SECONDS + 5) * 1000 });
    const [status, size, seconds] = stdout.split(' ').map(Number) as [number, number, number];
    const failure = status !== 200 || size !== DOWNLOAD_MIB * 1024 * 1024 ? `${size} bytes with status ${status}` : null;
    return { mibPerSecond: DOWNLOAD_MIB / seconds, failure };
  } catch (error) {
    const { code, message } = error as { code?: number; message: string };
    return { mibPerSecond: Number.NaN, failure: code === TIMED_OUT ? `not within ${SECONDS} s` : `curl: ${code ?? message.split('\n')[0]}` };
  }
}

export interface SmallAnswer {
  readonly status: number;
  readonly httpVersion: string;
  readonly body: string;
}

/** One request for the small body, to see that the way is right before it is measured. */
export async function fetchSmall(originPort: number, proxyPort: number | null, version: 'h1' | 'h2'): Promise<SmallAnswer> {
  const args = ['--silent', '--insecure', version === 'h1' ? '--http1.1' : '--http2', '--max-time', '20', '--write-out', '\n%{http_code} %{http_version}'];
  if (proxyPort !== null) args.push('--proxy', `http://127.0.0.1:${proxyPort}`);
  else args.push('--noproxy', '*');
  const { stdout } = await run('curl', [...args, `https://${HOST}:${originPort}/small`], { timeout: 30_000 });
  const [body, facts] = stdout.split('\n') as [string, string];
  const [status, httpVersion] = facts.split(' ') as [string, string];
  return { status: Number(status), httpVersion, body };
}
