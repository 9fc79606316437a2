/** A folder in which the real programs run, with a home of their own: jobs started, followed and read back. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlowRecord } from '../../../core/index.ts';
import type { JobSummary } from '../../../cli/job/job-summary.ts';

const BIN = join(import.meta.dirname, '../../../cli/bin');
/** Programs that run inside the guest. */
export const GUEST_PROGRAMS = join(import.meta.dirname, '../guest');
const LIMIT_MS = 40_000;

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeout?: number;
  /** Where it runs; the workspace's folder if left out. */
  readonly cwd?: string;
}

export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Job extends Run {
  /** All lines of the record. */
  readonly lines: FlowRecord[];
  /** Those that are no look-ups of names. */
  readonly flows: FlowRecord[];
  readonly summary: JobSummary;
  readonly folder: string;
}

export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  readonly home = join(this.folder, 'home');
  readonly #running = new Set<ChildProcess>();
  /** The folder of the programs. */
  readonly #bin: string;

  /** @param bin the folder of the programs; those of this tree if left out. */
  constructor(bin: string = BIN) {
    this.#bin = bin;
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  write(name: string, content: string | object): string {
    writeFileSync(this.path(name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
    return this.path(name);
  }

  /** Starts one of the two programs; it is killed at the end of the workspace if not before. */
  start(program: 'mentu' | 'mentu-runtime', args: readonly string[], { env = {}, cwd = this.folder, stdio = 'pipe' }: Pick<RunOptions, 'env' | 'cwd'> & { stdio?: 'pipe' | ['ignore', 'pipe', 'pipe'] } = {}): ChildProcess {
    const child = spawn(join(this.#bin, program), args, { cwd, env: { ...process.env, MENTU_HOME: this.home, NO_COLOR: '1', ...env }, stdio });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  async run(program: 'mentu' | 'mentu-runtime', args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const child = this.start(program, args, options);
    const limit = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? LIMIT_MS);
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr!.on('data', (chunk) => (stderr += chunk));
    child.stdin!.on('error', () => undefined);
    child.stdin!.end(options.input ?? '');
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    clearTimeout(limit);
    return { code, signal, stdout: Buffer.concat(stdout).toString(), stderr };
  }

  /** `mentu-runtime exec --interceptor --json`, with the flags given, of a command; and what it recorded. */
  async job(flags: readonly string[], command: readonly string[], options: RunOptions = {}): Promise<Job> {
    const run = await this.run('mentu-runtime', ['exec', '--interceptor', '--json', ...flags, '--', ...command], options);
    const line = run.stderr.trimEnd().split('\n').findLast((text) => text.startsWith('{'));
    if (line === undefined) throw new Error(`no summary; exit ${run.code ?? run.signal}\n${run.stdout}\n${run.stderr}`);
    const summary = JSON.parse(line) as JobSummary;
    return { ...run, summary, folder: summary.directory, lines: linesOf(summary.directory), flows: flowsOf(summary.directory) };
  }

  /** `mentu cir query --format json`, parsed. */
  async signals(...args: string[]): Promise<Signal[]> {
    const { code, stdout, stderr } = await this.run('mentu', ['cir', 'query', '--limit', '100000', '--format', 'json', ...args]);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Signal[];
  }

  /** The folder of the job that began last. */
  get latest(): string {
    const jobs = this.path('.mentu', 'jobs');
    // Names of one second are in no order.
    return join(jobs, readlinkSync(join(jobs, 'latest')));
  }

  close(): void {
    for (const child of this.#running) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Signal {
  readonly id: string;
  readonly type: string;
  readonly body: string;
  readonly created_at: string;
  readonly data: Record<string, unknown>;
}

/** The flows of a job's record that are no look-ups of names. */
export function flowsOf(folder: string): FlowRecord[] {
  return linesOf(folder).filter(({ kind }) => kind !== 'dns');
}

/** The whole lines of a job's record. */
export function linesOf(folder: string): FlowRecord[] {
  const file = join(folder, 'flows.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as FlowRecord);
}

/** Waits until a condition holds, bounded. */
export async function until<T>(what: string, probe: () => T | undefined | false | null, limitMs = 10_000): Promise<T> {
  for (const start = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const found = probe();
    if (found) return found;
    if (Date.now() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
  }
}
