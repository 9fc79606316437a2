/** One large body through a guest, each way: whole on the other side, whole in the record, and in how much memory. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Handler } from './origin.ts';
import { Stage } from './stage.ts';
import { flowsOf, until } from './workspace.ts';

const KEY = Buffer.alloc(16, 7);
/** The guest's own way to the same bytes. */
export const KEYSTREAM = `openssl enc -aes-128-ctr -K ${KEY.toString('hex')} -iv ${Buffer.alloc(16).toString('hex')}`;
const CHUNK = Buffer.alloc(256 * 1024);

/** `size` bytes that cannot be compressed, the same each time: the keystream of AES in counter mode. @param piece bytes at a time. */
export function* keystream(size: number, piece = CHUNK.length): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', KEY, Buffer.alloc(16));
  for (let left = size; left > 0; left -= piece) yield cipher.update(CHUNK.subarray(0, Math.min(left, piece)));
}

export function digestOf(size: number): string {
  const hash = createHash('sha256');
  for (const chunk of keystream(size)) hash.update(chunk);
  return hash.digest('hex');
}

const handler: Handler = async (request, response) => {
  const { pathname } = new URL(request.url!, 'https://origin');
  response.setHeader('content-type', 'application/octet-stream');
  if (request.method === 'PUT') {
    const hash = createHash('sha256');
    for await (const chunk of request) hash.update(chunk as Buffer);
    response.end(hash.digest('hex') + '\n');
    return;
  }
  for (const chunk of keystream(Number(pathname.slice(1)))) {
    // A write is taken as a whole by both versions; what is asked for is a pause.
    if (!(response as { write(chunk: Buffer): boolean }).write(chunk)) await once(response, 'drain');
  }
  response.end();
};

export interface Transfer {
  readonly direction: 'download' | 'upload';
  readonly http: '1.1' | '2';
  readonly size: number;
  readonly timeout: number;
  /** Looks at the job's folder and at what was told, before the folder is removed. */
  readonly inspect?: (folder: string, stderr: string) => void;
}

/**
 * Runs a command that says `ready` and reads a line, does what is to be measured, and says `done` and reads a line. `growth`: by how many MiB
 * the capture's peak was above what it took at the first pause. @param timeout milliseconds between the two.
 */
export async function measuredJob(stage: Stage, command: readonly string[], timeout: number): Promise<{ stdout: string; stderr: string; growth: number }> {
  const child = stage.workspace.start('mentu-runtime', ['exec', '--interceptor', '--json', '--profile', 'profile.json', '--', ...command]);
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (chunk) => (stdout += chunk));
  child.stderr!.on('data', (chunk) => (stderr += chunk));
  const closed = once(child, 'close');
  const told = (word: string, limit: number): Promise<true> => until(word, () => {
    if (child.exitCode !== null) throw new Error(stderr);
    return stdout.includes(word);
  }, limit);
  await told('ready', 30_000);
  const before = memoryOf(child.pid!, 'VmRSS');
  child.stdin!.write('\n');
  await told('done', timeout);
  const growth = memoryOf(child.pid!, 'VmHWM') - before;
  child.stdin!.write('\n');
  await closed;
  return { stdout, stderr, growth };
}

/** Runs one transfer and checks all but the memory. Returns by how many MiB the capture's peak was above its start. */
export async function transfer(stage: Stage, { direction, http, size, timeout, inspect }: Transfer): Promise<number> {
  const curl = `curl -sS --fail --http${http}`;
  const url = `https://api.demo.test/${size}`;
  const body = direction === 'download' ? `${curl} ${url} | sha256sum` : `head -c ${size} /dev/zero | ${KEYSTREAM} | ${curl} -T - ${url}`;
  // Between the two pauses nothing but the transfer takes place.
  const script = `${curl} -o /dev/null https://api.demo.test/1; echo ready; read _; ${body}; echo done; read _`;
  const { stdout, stderr, growth } = await measuredJob(stage, ['bash', '-c', script], timeout);
  const digest = digestOf(size);
  assert.equal(stdout.split('\n')[1]!.slice(0, 64), digest, stdout + stderr);
  const folder = stage.workspace.latest;
  const flow = flowsOf(folder).at(-1)!;
  const recorded = direction === 'download' ? flow.response! : flow.request!;
  assert.deepEqual([flow.outcome, flow.http_version, recorded.body_size, recorded.body_sha256, recorded.body_truncated, recorded.body_file], ['completed', http, size, digest, true, `bodies/${digest}`]);
  assert.equal(statSync(join(folder, recorded.body_file!)).size, size);
  inspect?.(folder, stderr);
  rmSync(folder, { recursive: true });
  return growth;
}

export async function transferStage(): Promise<Stage> {
  const stage = await Stage.open(handler);
  stage.profile();
  return stage;
}

/** MiB. */
export function memoryOf(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  assert.ok(found);
  return Number(found[1]) / 1024;
}
