/** A git repository over smart HTTP: git's own `http-backend`, spoken to by CGI (RFC 3875). */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/** Nothing of the user's configuration, such as hooks or signing, takes part. */
const ENVIRONMENT = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
const LIMIT_MS = 20_000;
/** A CGI program's header is a few lines. */
const MAX_HEAD = 64 * 1024;

export interface GitRequest {
  readonly method: string;
  /** Below the folder of repositories: `/handbook.git/info/refs`. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

export interface GitAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** Makes a bare repository of one commit on `main`. @param files path → text. */
export function createRepository(folder: string, message: string, files: Readonly<Record<string, string>>): void {
  const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const entries = Object.entries(files).map(([path, text]) => `M 100644 inline ${path}\n${data(text)}`);
  const now = Math.floor(Date.now() / 1000);
  const stream = `commit refs/heads/main\ncommitter Mentu demo <demo@demo.test> ${now} +0000\n${data(message)}${entries.join('')}done\n`;
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', folder], { env: ENVIRONMENT, timeout: LIMIT_MS });
  execFileSync('git', ['-C', folder, 'fast-import', '--quiet', '--done'], { env: ENVIRONMENT, timeout: LIMIT_MS, input: stream });
}

/** Answers one request for the repositories in `folder`. */
export async function serveGit(folder: string, request: GitRequest): Promise<GitAnswer> {
  const text = (name: string): string => String(request.headers[name] ?? '');
  const child = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: LIMIT_MS,
    env: {
      ...ENVIRONMENT,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_PROTOCOL: text('git-protocol'),
      REQUEST_METHOD: request.method,
      PATH_INFO: request.path,
      QUERY_STRING: request.query,
      CONTENT_TYPE: text('content-type'),
      HTTP_CONTENT_ENCODING: text('content-encoding'),
      ...(request.headers['content-length'] === undefined ? {} : { CONTENT_LENGTH: text('content-length') }),
    },
  });
  child.stdin.on('error', () => {}); // it may answer before it has read all
  request.body.pipe(child.stdin);
  await once(child, 'spawn');
  const { status, headers } = readHead(await headOf(child.stdout));
  return { status, headers, body: child.stdout };
}

/** Takes the header from the stream and leaves the body in it. */
async function headOf(stream: Readable): Promise<string> {
  let head = Buffer.alloc(0);
  while (head.length < MAX_HEAD) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      if (stream.readableEnded) break;
      await Promise.race([once(stream, 'readable'), once(stream, 'end')]);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) continue;
    stream.unshift(head.subarray(end + 4));
    return head.toString('latin1', 0, end);
  }
  throw new Error('git http-backend gave no answer');
}

function readHead(head: string): Pick<GitAnswer, 'status' | 'headers'> {
  const headers = Object.fromEntries(head.split('\r\n').map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const { status = '200', ...rest } = headers;
  return { status: Number.parseInt(status, 10), headers: rest };
}
