/** How long to wait before a command that failed is run again. */

const FIRST_MS = 100;
const LONGEST_MS = 60_000;
/** A command that ran for so long had started well: the next wait is the first again. */
const HEALTHY_MS = 10_000;

export class BackOff {
  #next = FIRST_MS;

  /** Milliseconds to wait after a run of `ran` milliseconds: 0.1 s, twice as long each time, a minute at most. */
  after(ran: number): number {
    if (ran >= HEALTHY_MS) this.#next = FIRST_MS;
    const wait = this.#next;
    this.#next = Math.min(wait * 2, LONGEST_MS);
    return wait;
  }
}
