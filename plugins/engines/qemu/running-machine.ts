/** A machine with its file server, from the power on to the last byte of its output. */
import type { ChildProcess } from 'node:child_process';
import type { HelperExit } from '../plane/message.ts';
import { ControlChannel } from './channel.ts';
import type { Machine } from './machine.ts';
import type { MachinePlan } from './plan.ts';
import { GuestStdio } from './stdio.ts';

const START_LIMIT_MS = 30_000;
/** Characters that are kept of what the kernel, QEMU and the file server say last, and lines that are told. */
const WORDS_LIMIT = 8192;
const TOLD_LINES = 10;
/** Of a kernel's panic, the stack and the registers; of the file server, that the machine is gone. */
const NOISE = /^\[ *[\d.]+\] (?: |<|\? |RIP|RSP|R[A-Z0-9]{2}:|CS:|FS:|CR2:|Code:|Call Trace|CPU:|Hardware|---)|Unexpected poll revents|^\s*$/;

export class RunningMachine {
  readonly exited: Promise<HelperExit>;
  readonly #processes: readonly ChildProcess[];
  readonly #channel: ControlChannel;
  readonly #stdio: () => GuestStdio;
  readonly #ended: Promise<void>;
  readonly #words: () => string;
  #started: GuestStdio | null = null;

  constructor({ process, ports }: Machine, files: ChildProcess, { mark, terminal }: Pick<MachinePlan, 'mark' | 'terminal'>) {
    this.#processes = [process, files];
    this.#channel = new ControlChannel(ports.control);
    this.#stdio = () => new GuestStdio(ports, { mark, isTerminal: terminal !== null }, (stream) => this.#channel.unread(stream));
    const words = [process.stdout!, process.stderr!, files.stderr!].map(lastWords);
    files.stdout!.resume();
    this.#words = () => words.map((last) => last()).filter(Boolean).join('\n');
    this.#ended = Promise.all(this.#processes.map(endOf)).then(() => undefined);
    this.exited = Promise.race([
      this.#channel.exited.then(async (code): Promise<HelperExit> => {
        await this.#started?.complete();
        return { code, reason: null };
      }),
      Promise.race(this.#processes.map(endOf)).then((): HelperExit => ({ code: null, reason: `the machine ended before the command did${this.#told()}` })),
    ]).then(async (exit) => {
      this.#kill();
      await this.#started?.drained;
      return exit;
    });
  }

  /** Resolves when the guest waits for its command to be started. */
  ready(limitMs: number): Promise<void> {
    return this.#bounded(this.#channel.ready, limitMs, 'the kernel did not come up');
  }

  async run(): Promise<void> {
    this.#started = this.#stdio();
    this.#channel.go();
    await this.#bounded(this.#channel.running, START_LIMIT_MS, 'the guest did not start the command');
  }

  signal(number: number): void {
    this.#channel.signal(number);
  }

  resize(columns: number, rows: number): void {
    this.#channel.resize(columns, rows);
  }

  async close(): Promise<void> {
    this.#kill();
    await this.#ended;
  }

  #kill(): void {
    for (const each of this.#processes) each.kill('SIGKILL');
  }

  #told(): string {
    const words = this.#words();
    return words === '' ? '' : `. Its last words:\n${words}`;
  }

  async #bounded(promise: Promise<void>, limit: number, failure: string): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`${failure} within ${limit / 1000} s${this.#told()}`)), limit);
    const over = this.exited.then(({ reason }) => {
      throw new Error(reason ?? 'the guest ended before its command was started');
    });
    over.catch(() => undefined);
    try {
      await Promise.race([promise, over, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** When the process is gone, and all that it said has come. */
function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
}

function lastWords(stream: NodeJS.ReadableStream): () => string {
  let words = '';
  stream.setEncoding('latin1');
  stream.on('data', (chunk: string) => (words = (words + chunk).slice(-WORDS_LIMIT)));
  return () => words.split(/[\r\n]+/).filter((line) => !NOISE.test(line)).slice(-TOLD_LINES).join('\n');
}
