/** Runs a program of the system to its end, bounded in time. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';

const OUTPUT_LIMIT = 16 * 1024 * 1024;
/** After a polite word, a program that took too long has so long to end. */
const GRACE_MS = 5_000;
const TOLD_LINES = 3;

export interface CommandOptions {
  readonly limitMs: number;
  readonly cwd?: string;
  readonly graceMs?: number;
}

/** Its stdout. Rejects with an `Error` of the program's own last words where it fails or takes too long. */
export function runCommand(file: string, args: readonly string[], { limitMs, cwd, graceMs = GRACE_MS }: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    // The answers of programs are read in one language. No service is started by being installed at this run level.
    const env = { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const [output, errors] = [collect(child.stdout), collect(child.stderr)];
    const polite = setTimeout(() => child.kill('SIGTERM'), limitMs);
    const firm = setTimeout(() => {
      child.kill('SIGKILL');
      // What it started may hold them open.
      child.stdout.destroy();
      child.stderr.destroy();
    }, limitMs + graceMs);
    child.on('error', (error) => {
      clearTimeout(polite);
      clearTimeout(firm);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(polite);
      clearTimeout(firm);
      if (code === 0) return resolve(output());
      const words = errors().trim().split('\n').slice(-TOLD_LINES).join('; ');
      const ending = child.killed ? `took more than ${limitMs / 1000} s` : (signal ?? `exit code ${code}`);
      reject(new Error(`${basename(file)}: ${words ? `${words} (${ending})` : ending}`));
    });
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    if (text.length < OUTPUT_LIMIT) text += chunk;
  });
  return () => text;
}
