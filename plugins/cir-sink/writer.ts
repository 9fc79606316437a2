/** The thread that writes: SQLite's calls block, and here they block no request. Started by the queue. */
import { existsSync, readlinkSync, stat } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { ingestFlows } from './ingest.ts';
import { signalsIn, type Answer, type Order } from './messages.ts';
import { openSqliteStore } from './sqlite/sqlite-store.ts';
import type { SignalStore } from './store.ts';

/** Bounds the catching up at the end of a job, which the user waits for. */
const CATCH_UP_TIME = 20_000;

/** The lowest priority: the thread takes the processor time that the traffic leaves. */
const NICE = 19;

class Writer {
  readonly #file: string;
  readonly #port: MessagePort;
  #store: SignalStore | undefined;
  #failed = false;
  #last: Promise<void> = Promise.resolve();

  constructor(file: string, port: MessagePort) {
    this.#file = file;
    this.#port = port;
    // Threads inherit the nice value of who starts them, and the first call of the kind starts those that write files for everyone.
    stat('/', yieldToTraffic);
    port.on('message', (order: Order) => (this.#last = this.#last.then(() => this.#obey(order))));
  }

  async #obey(order: Order): Promise<void> {
    if (order.kind === 'append') {
      const error = await attempt(async () => void (await (await this.#opened()).append(signalsIn(order.lines, order.columns))));
      this.#failed ||= error !== null;
      return this.#answer({ kind: 'appended', error });
    }
    let flows: number | null = null;
    const error = await attempt(async () => {
      if (!(order.fillIn || this.#failed) || !existsSync(order.flowsFile)) return;
      const report = await ingestFlows(order.flowsFile, await this.#opened(), { signal: AbortSignal.timeout(CATCH_UP_TIME) });
      flows = report.flows;
    });
    await attempt(async () => this.#store?.close());
    this.#answer({ kind: 'closed', flows, error });
    this.#port.close();
  }

  /** Tried anew with each batch: what was wrong may have been mended. */
  async #opened(): Promise<SignalStore> {
    return (this.#store ??= await openSqliteStore(this.#file));
  }

  #answer(answer: Answer): void {
    this.#port.postMessage(answer);
  }
}

/** On Linux each thread has a nice value of its own (setpriority(2)). Elsewhere the thread competes like any other. */
function yieldToTraffic(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
  } catch {
    // Where /proc is not mounted the store is written all the same.
  }
}

async function attempt(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return String(error);
  }
}

if (parentPort !== null) new Writer((workerData as { file: string }).file, parentPort);
