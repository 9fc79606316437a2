/** The runs of a job's command, one guest after the other: once, or again after a failure where the restart policy says so. */
import { constants } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { MentuError } from '../../core/index.ts';
import type { Guest, GuestExit, PlaneDrops } from '../../plugins/engines/engine.ts';
import { note } from '../output.ts';
import { durationText } from '../settings/duration.ts';
import type { JobSettings } from '../settings/job-settings.ts';
import { BackOff } from './back-off.ts';
import { GuestRun, type JobWiring } from './guest-run.ts';
import { TIMED_OUT_CODE, timeoutText } from './time-limit.ts';

/** Nothing that another start would mend: a command that cannot be executed, or is not there. */
const FINAL_CODES: ReadonlySet<number> = new Set([126, 127]);

type Policy = Pick<JobSettings, 'restartPolicy' | 'timeout'>;

export class CommandRuns {
  restarts = 0;
  timedOut = false;
  outOfMemory = false;
  drops: PlaneDrops | null = null;
  /** Of the last guest. */
  boot: Guest['boot'] = {};
  readonly #policy: Policy;
  readonly #wiring: JobWiring;
  readonly #prepare: () => Promise<Guest>;
  readonly #backOff = new BackOff();

  constructor(policy: Policy, wiring: JobWiring, prepare: () => Promise<Guest>) {
    this.#policy = policy;
    this.#wiring = wiring;
    this.#prepare = prepare;
  }

  /** Resolves with the exit that the job has: of its last run, or of what ended it between two. @param broken rejects where all is to be given up. */
  async run(first: Guest, broken: Promise<never>): Promise<GuestExit> {
    try {
      for (let guest = first; ; ) {
        const run = new GuestRun(guest, this.#wiring);
        const began = performance.now();
        const exit = await this.#complete(run, broken);
        if (!this.#isRetried(exit, guest)) return exit;
        run.forget();
        await this.#backOffFrom(exit, performance.now() - began, broken);
        const ended = this.#endedBetween();
        if (ended) return ended;
        guest = await this.#prepare();
        const late = this.#endedBetween();
        if (!late) continue;
        await guest.close();
        return late;
      }
    } catch (error) {
      // What was captured until here is worth its summary.
      if (this.restarts === 0 || !(error instanceof MentuError)) throw error;
      return { code: 125, signal: null, failure: error };
    }
  }

  async #complete(run: GuestRun, broken: Promise<never>): Promise<GuestExit> {
    try {
      const exit = await run.run(broken);
      this.boot = run.guest.boot;
      if (exit.outOfMemory) this.outOfMemory = true;
      if (run.drops) this.drops = { udp: (this.drops?.udp ?? 0) + run.drops.udp, other: (this.drops?.other ?? 0) + run.drops.other };
      return run.timedOut ? this.#endForTime() : exit;
    } finally {
      await run.close();
    }
  }

  /** A success, an engine that failed, a command that cannot start, a timeout, and a user who wants the end are final. */
  #isRetried({ code, signal, failure }: GuestExit, { terminal }: Guest): boolean {
    if (code === 0 || failure || this.timedOut || FINAL_CODES.has(code) || this.#wiring.signals.interruption) return false;
    const byKey = terminal !== null && signal === 'SIGINT'; // Ctrl-C is the guest's there
    return !byKey && this.restarts < this.#policy.restartPolicy.restarts;
  }

  /** Waits until the next run is due, or will not be. */
  async #backOffFrom({ code }: GuestExit, ran: number, broken: Promise<never>): Promise<void> {
    const { restarts } = this.#policy.restartPolicy;
    const wait = this.#backOff.after(ran);
    note(`mentu: the command ended with exit code ${code}; restart ${++this.restarts}${restarts === Infinity ? '' : ` of ${restarts}`} in ${durationText(wait)}`);
    const over = new AbortController();
    const slept = pause(wait, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([slept, this.#wiring.signals.interrupted, this.#wiring.limit.passed, broken]).finally(() => over.abort());
  }

  /** The end of a job whose command does not run at the time; null where it is to go on. */
  #endedBetween(): GuestExit | null {
    const { limit, signals } = this.#wiring;
    const signal = signals.interruption;
    if (!limit.expired && !signal) return null;
    this.restarts--; // it did not come to that one
    return limit.expired ? this.#endForTime() : { code: 128 + constants.signals[signal!], signal };
  }

  #endForTime(): GuestExit {
    this.timedOut = true;
    note(timeoutText(this.#policy.timeout));
    return { code: TIMED_OUT_CODE, signal: null };
  }
}
