/** `git http-backend` over CGI (RFC 3875), for the bare repositories of a folder. */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Handler } from './origin.ts';

/** Serves what lies below `/git/`. */
export function gitBackend(folder: string): Handler {
  return (request, response) => {
    const { pathname, search } = new URL(request.url!, 'https://origin');
    const header = (name: string): string => String(request.headers[name] ?? '');
    const backend = spawn('git', ['http-backend'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*',
        GIT_PROTOCOL: header('git-protocol'),
        PATH_INFO: pathname.replace(/^\/git/, ''),
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: header('content-type'),
        HTTP_CONTENT_ENCODING: header('content-encoding'),
        REMOTE_ADDR: '127.0.0.1',
      },
    });
    request.pipe(backend.stdin);
    const output: Buffer[] = [];
    backend.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    backend.on('close', () => {
      const whole = Buffer.concat(output);
      const end = whole.indexOf('\r\n\r\n');
      let status = 200;
      for (const line of whole.toString('latin1', 0, end).split('\r\n')) {
        const [name = '', value = ''] = line.split(/: */, 2);
        if (name.toLowerCase() === 'status') status = parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.statusCode = status;
      response.end(whole.subarray(end + 4));
    });
  };
}

/** A bare repository with one commit of one file. */
export function makeRepository(folder: string, name: string, text: string): void {
  const git = (...args: string[]): void => void execFileSync('git', args, { env: { PATH: process.env['PATH'], HOME: folder }, stdio: 'pipe' });
  const tree = join(folder, `${name}.tree`);
  git('init', '-q', '-b', 'main', tree);
  writeFileSync(join(tree, 'file'), text);
  git('-C', tree, 'add', '.');
  git('-C', tree, '-c', 'user.name=t', '-c', 'user.email=t@demo.test', 'commit', '-q', '-m', 'first');
  git('clone', '-q', '--bare', tree, join(folder, name));
}
