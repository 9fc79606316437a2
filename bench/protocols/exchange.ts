/** What the client programs of this folder are told, how they count, and how they are run: each in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** What nobody has answered for so long is held back, not slow. Milliseconds. */
const STALLED = 5000;
const START_TIME = 30_000;
/** Compilers get to know the path before it counts. Milliseconds. */
const WARM_UP = 1500;

export interface ClientOrder {
  readonly proxyPort: number | null;
  readonly originPort: number;
  readonly seconds: number;
  readonly connections: number;
  /** Requests, or messages, that are under way at a time in each connection. */
  readonly window: number;
}

export interface Tally {
  /** Answers that came and were right, all of them. */
  readonly answered: number;
  /** Those of them that came after the warm-up, and in how long. */
  readonly count: number;
  readonly seconds: number;
  readonly failure: string | null;
}

/** Counts answers until the time is up and all that was asked is answered, or answers stay away. */
export class Exchange {
  readonly #order: Pick<ClientOrder, 'seconds'>;
  readonly #over = Promise.withResolvers<string | null>();
  #from = Infinity;
  #until = Infinity;
  #answered = 0;
  #count = 0;
  #underWay = 0;
  #last = performance.now();

  constructor(order: Pick<ClientOrder, 'seconds'>) {
    this.#order = order;
    const timer = setInterval(() => {
      if (performance.now() - this.#last > STALLED) this.#over.resolve(`stalled after ${this.#answered} answers`);
    }, 100);
    void this.#over.promise.then(() => clearInterval(timer));
  }

  /** All connections are open: the warm-up begins. */
  begin(): void {
    this.#from = performance.now() + WARM_UP;
    this.#until = this.#from + this.#order.seconds * 1000;
  }

  /** Whether there is time to ask for one more. */
  ask(): boolean {
    if (performance.now() >= this.#until) return false;
    this.#underWay++;
    return true;
  }

  /** To be called after `ask` for the next one. */
  answered(): void {
    this.#answered++;
    this.#last = performance.now();
    if (this.#last >= this.#from && this.#last < this.#until) this.#count++;
    if (--this.#underWay === 0) this.#over.resolve(null);
  }

  fail(reason: string): void {
    this.#over.resolve(reason);
  }

  /** Resolves when it is over. */
  async tally(): Promise<Tally> {
    const failure = await this.#over.promise;
    return { answered: this.#answered, count: this.#count, seconds: this.#order.seconds, failure };
  }
}

/** A client's whole life: it does as it is told on its command line, prints its tally and ends. */
export async function serveOrder(client: (order: ClientOrder, exchange: Exchange) => Promise<void>): Promise<never> {
  const order = JSON.parse(process.argv[2] ?? '') as ClientOrder;
  const exchange = new Exchange(order);
  client(order, exchange).catch((error: unknown) => exchange.fail(error instanceof Error ? error.message : String(error)));
  const tally = await exchange.tally();
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(tally)}\n`, resolve));
  process.exit();
}

/** Runs one of the programs. @param program its name, without an ending */
export async function runClient(program: string, order: ClientOrder): Promise<Tally> {
  const file = fileURLToPath(new URL(`./${program}.ts`, import.meta.url));
  const { stdout } = await run(process.execPath, ['--no-warnings', file, JSON.stringify(order)], { timeout: order.seconds * 1000 + STALLED + START_TIME });
  return readTally(stdout);
}

/** The last line that a client printed. */
export function readTally(stdout: string): Tally {
  let read: Partial<Tally> | null = null;
  try {
    read = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Partial<Tally> | null;
  } catch {
    // told below
  }
  const { answered, count, seconds, failure } = read ?? {};
  if (typeof answered !== 'number' || typeof count !== 'number' || typeof seconds !== 'number' || !(seconds > 0) || (failure !== null && typeof failure !== 'string')) {
    return { answered: 0, count: 0, seconds: Number.NaN, failure: `the client told nothing: ${stdout.trim().slice(0, 200)}` };
  }
  return { answered, count, seconds, failure: failure ?? (count === 0 ? 'no answer' : null) };
}
