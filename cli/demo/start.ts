/**
 * `npm start`: servers on loopback, and a guest job that meets them. The job is `mentu-runtime exec` itself, with a
 * profile and a preset of the repository; only where the servers listen and which CA they have is known no sooner
 * than now, and comes from a `mentu.yaml` that is made here and vouched for as a user would.
 *
 * `node cli/demo/start.ts [FOLDER]`: an empty folder for what the demo leaves; by default a new one under `.mentu/`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { FlowRecord } from '../../core/index.ts';
import type { Signal } from '../../plugins/cir-sink/cir.ts';
import { Origins } from './origins.ts';
import { shortcomings } from './outcome.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Each of the commands takes a second or two. None that is killed leaves anything behind. */
const LIMIT_MS = 60_000;

class Demo {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  #running: ChildProcess | null = null;
  #stopped = false;

  /** @param folder where the job runs, with its record and its store of signals. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#environment = { ...process.env, MENTU_HOME: join(folder, 'home') };
  }

  async run(): Promise<boolean> {
    const origins = await Origins.start(join(this.#folder, 'repositories'));
    try {
      say('Mentu Interceptor: a job in a guest, and all that it contacts, sends and gets back.\n');
      say('Servers on loopback, with a CA of their own:');
      for (const [host, place] of Object.entries(origins.hosts)) say(`  ${host.padEnd(18)} ${place}`);
      await this.#pin(origins);

      this.#title('mentu-runtime', 'exec', '--interceptor', '--profile', 'cli/demo/profile.json');
      const code = await this.#command('inherit', 'mentu-runtime', 'exec', '--interceptor', '--profile', join(import.meta.dirname, 'profile.json')).exit;
      if (code !== 0) return fault(`the job ended with exit code ${code}`);

      const jobs = join(this.#folder, '.mentu', 'jobs');
      const job = readlinkSync(join(jobs, 'latest'));
      this.#title('mentu', 'cir', 'query', '--job', job);
      if ((await this.#command('inherit', 'mentu', 'cir', 'query', '--job', job).exit) !== 0) return fault('the query failed');

      const query = this.#command('pipe', 'mentu', 'cir', 'query', '--job', job, '--format', 'json', '--limit', '1000');
      const signals = JSON.parse(await query.output) as Signal[];
      const flows = readFileSync(join(jobs, job, 'flows.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as FlowRecord);
      const faults = shortcomings({ flows, signals, visitsOf: (host) => origins.visitsOf(host) });
      for (const line of faults) fault(line);
      if (faults.length > 0) return false;
      this.#whatNext(flows.filter(({ kind }) => kind !== 'dns').length, flows.filter(({ kind }) => kind === 'dns').length);
      return true;
    } finally {
      await origins.close();
    }
  }

  /** Passes a signal on, and lets the run end. */
  stop(signal: NodeJS.Signals): void {
    this.#stopped = true;
    this.#running?.kill(signal);
  }

  async #pin(origins: Origins): Promise<void> {
    writeFileSync(join(this.#folder, 'origins-ca.pem'), origins.authority);
    // YAML takes JSON as it is.
    writeFileSync(join(this.#folder, 'mentu.yaml'), JSON.stringify({ interceptor: { hosts: origins.hosts, trustedCAs: ['origins-ca.pem'] } }, null, 2));
    const trust = this.#command('pipe', 'mentu-runtime', 'config', 'trust');
    const output = await trust.output;
    if ((await trust.exit) !== 0) throw new Error(`mentu.yaml is not trusted: ${output}`);
  }

  #command(stdout: 'inherit' | 'pipe', program: string, ...args: string[]): { readonly exit: Promise<number>; readonly output: Promise<string> } {
    if (this.#stopped) throw new Error('stopped by a signal');
    const child = spawn(join(ROOT, 'cli/bin', program), args, { cwd: this.#folder, env: this.#environment, stdio: ['ignore', stdout, 'inherit'], timeout: LIMIT_MS, killSignal: 'SIGKILL' });
    this.#running = child;
    const exit = once(child, 'exit').then(([code]) => (code as number | null) ?? 1);
    return { exit, output: child.stdout ? text(child.stdout) : Promise.resolve('') };
  }

  #title(...words: string[]): void {
    say(`\n$ ${words.join(' ')}`);
  }

  #whatNext(flows: number, lookups: number): void {
    const folder = relative(ROOT, this.#folder) || '.';
    say(`\nAll ${flows} flows and ${lookups} look-ups of names are in the record and in the store, and the tracker's server saw no request. Next:\n`);
    say(`  grep -m1 GET ${folder}/.mentu/jobs/latest/flows.jsonl               a flow, whole`);
    say(`  MENTU_HOME=${folder}/home cli/bin/mentu cir query --where 'status>=400'`);
    say('  cli/bin/mentu-runtime exec --interceptor -- curl -s https://example.com/');
    say('  cli/bin/mentu-runtime doctor                                        proves the sandbox');
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fault(line: string): false {
  process.stderr.write(`demo: ${line}\n`);
  return false;
}

function newFolder(): string {
  mkdirSync(join(ROOT, '.mentu'), { recursive: true, mode: 0o700 });
  return mkdtempSync(join(ROOT, '.mentu', 'demo-'));
}

const demo = new Demo(process.argv[2] === undefined ? newFolder() : resolve(process.argv[2]));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => demo.stop(signal));
const done = await demo.run().catch((error: unknown) => fault(error instanceof Error ? error.message : String(error)));
process.exitCode = done ? 0 : 1;
