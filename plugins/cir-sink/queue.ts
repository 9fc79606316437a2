/** The way of signals from the capture to the writer's thread: in batches, and bounded in bytes. */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CompletedFlow } from '../../core/index.ts';
import { pushColumns, type Answer, type Columns, type Order } from './messages.ts';
import { signalsOf } from './projection.ts';

export interface QueueOptions {
  /** Of the store. */
  readonly file: string;
  readonly warn: (message: string) => void;
  /** Bytes of signals that may wait to be written; what comes beyond is counted and left out. Default 32 MiB. */
  readonly budget?: number;
}

/** A batch is sent when it has so many bytes or is so many milliseconds old. */
const BATCH_SIZE = 512 * 1024;
const BATCH_AGE = 250;
const DEFAULT_BUDGET = 32 * 1024 * 1024;
/** Characters of a line that is cheaper to read again in the thread than to take apart here. */
const SHORT_LINE = 16 * 1024;
/** Bytes of the columns that are about the same in each signal. */
const FIXED_SIZE = 200;
/** Milliseconds that closing may take: a lock held by others, then the catching up. */
const CLOSE_TIME = 40_000;
const MAX_STARTS = 3;

type Closed = Extract<Answer, { kind: 'closed' }>;

interface Batch {
  readonly lines: string[];
  readonly columns: Columns;
  signals: number;
  bytes: number;
}

const emptyBatch = (): Batch => ({ lines: [], columns: [], signals: 0, bytes: 0 });

export class SignalQueue {
  readonly #options: QueueOptions;
  readonly #budget: number;
  #worker: Worker | undefined;
  #starts = 0;
  #batch: Batch = emptyBatch();
  #timer: NodeJS.Timeout | undefined;
  /** Sent and not answered, oldest first. */
  readonly #sent: Batch[] = [];
  #waitingBytes = 0;
  #leftOut = 0;
  #warned = false;
  #closed: Closed | null = null;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#budget = options.budget ?? DEFAULT_BUDGET;
  }

  /** Signals that were not stored, for want of room or by a failure. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /**
   * Takes a flow. A short record crosses as its line, which is made already, and becomes signals in the thread;
   * a long one, with bodies, crosses as its signals.
   */
  add(flow: Pick<CompletedFlow, 'record' | 'line'>): void {
    const { line, record } = flow;
    if (line.length <= SHORT_LINE) {
      if (this.#book(line.length, record.violation === null ? 1 : 2)) this.#batch.lines.push(line);
    } else {
      for (const signal of signalsOf(record)) {
        if (this.#book(signal.data.length + signal.body.length + FIXED_SIZE, 1)) pushColumns(this.#batch.columns, signal);
      }
    }
    if (this.#batch.bytes >= BATCH_SIZE) this.#send();
    else if (this.#batch.signals > 0) this.#timer ??= setTimeout(() => this.#send(), BATCH_AGE).unref();
  }

  /** False where there is no room. */
  #book(bytes: number, signals: number): boolean {
    if (this.#waitingBytes + bytes > this.#budget) {
      this.#leftOut += signals;
      return false;
    }
    this.#batch.signals += signals;
    this.#batch.bytes += bytes;
    this.#waitingBytes += bytes;
    return true;
  }

  /**
   * Writes what waits. Where something was left out, it is filled in from `flowsFile`, which has every flow;
   * `flows` says how many it should have. Warns of what stays left out.
   */
  async close(flowsFile: string, flows: number): Promise<void> {
    this.#send();
    if (this.#worker === undefined && this.#leftOut === 0) return;
    const end = await this.#endOf(this.#started(), { kind: 'close', flowsFile, fillIn: this.#leftOut > 0 });
    if (this.#leftOut === 0) return;
    if (end?.error === null && end.flows !== null && end.flows >= flows) this.#leftOut = 0;
    else this.#options.warn(`${this.#leftOut} signals are not stored${end?.error ? ` (${end.error})` : ''}. The record is whole: "mentu cir ingest ${flowsFile}" completes the store.`);
  }

  /** What the thread says last; null where it says nothing in time. */
  async #endOf(worker: Worker | undefined, order: Order): Promise<Closed | null> {
    if (worker === undefined) return null;
    worker.ref();
    const ended = once(worker, 'exit');
    const timer = setTimeout(() => void worker.terminate(), CLOSE_TIME);
    worker.postMessage(order);
    await ended;
    clearTimeout(timer);
    return this.#closed;
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#batch;
    if (batch.signals === 0) return;
    this.#batch = emptyBatch();
    this.#sent.push(batch);
    const worker = this.#started();
    if (worker === undefined) this.#settle('the thread that writes them does not start');
    else worker.postMessage({ kind: 'append', lines: batch.lines, columns: batch.columns } satisfies Order);
    // What the thread has is its own copy.
    batch.lines.length = 0;
    batch.columns.length = 0;
  }

  #started(): Worker | undefined {
    if (this.#worker !== undefined || this.#starts === MAX_STARTS) return this.#worker;
    this.#starts++;
    const worker = new Worker(new URL(`./writer${extname(import.meta.filename)}`, import.meta.url), { workerData: { file: this.#options.file }, name: 'cir-sink' });
    // The end of the capture does not wait for the thread but for `close`.
    worker.unref();
    worker.on('message', (answer: Answer) => {
      if (answer.kind === 'appended') this.#settle(answer.error);
      else this.#closed = answer;
    });
    let failure = 'the thread that writes them ended';
    worker.on('error', (error) => (failure = `the thread that writes them failed: ${String(error)}`));
    worker.on('exit', () => {
      this.#worker = undefined;
      while (this.#sent.length > 0) this.#settle(failure);
    });
    return (this.#worker = worker);
  }

  /** The oldest batch sent is written, or was not. */
  #settle(error: string | null): void {
    const batch = this.#sent.shift();
    if (batch === undefined) return;
    this.#waitingBytes -= batch.bytes;
    if (error === null) return;
    this.#leftOut += batch.signals;
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn(`signals are not being stored (the record is whole): ${error}`);
  }
}
