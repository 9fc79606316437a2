/** Foreign clients as processes of their own, led through a stage's proxy and trusting its CA. */
import { execFile } from 'node:child_process';
import type { Stage } from './captured.ts';

export interface ProgramResult {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program, 15 s at most, with `input` on its stdin. */
export function run(file: string, args: readonly string[], options: { env?: Record<string, string>; input?: string | Buffer } = {}): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = execFile(file, [...args], { timeout: 15_000, maxBuffer: 256 * 1024 * 1024, env: { ...process.env, ...options.env } }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? error.signal ?? 'failed') : 0, stdout, stderr });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

export function curl(stage: Stage, ...args: string[]): Promise<ProgramResult> {
  return run('curl', ['-sS', '--max-time', '12', '--proxy', stage.proxyUrl, '--cacert', stage.caFile, ...args], { env: { no_proxy: '' } });
}

const proxied = (stage: Stage): Record<string, string> => ({
  http_proxy: stage.proxyUrl,
  https_proxy: stage.proxyUrl,
  HTTP_PROXY: stage.proxyUrl,
  HTTPS_PROXY: stage.proxyUrl,
  no_proxy: '',
  NO_PROXY: '',
  NODE_USE_ENV_PROXY: '1',
  NODE_EXTRA_CA_CERTS: stage.caFile,
  SSL_CERT_FILE: stage.caFile,
});

/** A script for Python 3. */
export function python(stage: Stage, script: string): Promise<ProgramResult> {
  return run('/usr/bin/python3', ['-c', script], { env: proxied(stage) });
}

/** A module for Node, in which `fetch` goes through the proxy. */
export function node(stage: Stage, module: string): Promise<ProgramResult> {
  return run(process.execPath, ['--input-type=module', '-e', module], { env: proxied(stage) });
}
