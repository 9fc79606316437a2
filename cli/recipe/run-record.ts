/** `recipe.json` of a run: what each step came to, rewritten whole as the run goes on. */
import { join } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { writePrivately, type JobFolder } from '../job/job-folder.ts';
import type { Recipe, Step } from './recipe.ts';
import type { StepPlan } from './step-plan.ts';

export type RunState = 'running' | 'succeeded' | 'failed';
export type StepState = 'pending' | 'running' | 'succeeded' | 'failed' | 'skipped';

export interface StepRecord {
  readonly name: string;
  state: StepState;
  readonly where: 'guest' | 'host';
  /** Null on the host, and of a step that --from leaves out. */
  readonly engine: string | null;
  readonly boundary: string | null;
  readonly captured: boolean;
  readonly command: readonly string[];
  /** In the run's directory; null until the step starts. */
  folder: string | null;
  job_id: string | null;
  exit_code: number | null;
  timed_out: boolean;
  /** Why it could not be run, or not to its end. */
  error: { readonly code: string; readonly message: string } | null;
  started_at: string | null;
  /** Milliseconds. */
  duration_ms: number | null;
  /** Counted when the step ends; null where nothing is captured. */
  flows: number | null;
  denied: number | null;
}

export interface RunRecordFile {
  readonly version: 1;
  readonly run_id: string;
  readonly recipe: string;
  /** Absolute. */
  readonly file: string;
  readonly directory: string;
  /** The process that runs it. A run that is `running` without its process was killed. */
  readonly pid: number;
  state: RunState;
  exit_code: number | null;
  /** The signal by which the user ended the run. */
  interrupted_by: string | null;
  readonly started_at: string;
  duration_ms: number | null;
  flows: number;
  denied: number;
  readonly steps: readonly StepRecord[];
}

export class RunRecord {
  readonly content: RunRecordFile;
  readonly #file: string;
  readonly #started = performance.now();
  readonly #warn: (error: MentuError) => void;
  #warned = false;

  /** Writes the first state. A step without a plan is skipped. */
  constructor(recipe: Recipe, plans: readonly StepPlan[], folder: JobFolder, warn: (error: MentuError) => void) {
    this.#file = join(folder.path, 'recipe.json');
    this.#warn = warn;
    this.content = {
      version: 1,
      run_id: folder.id,
      recipe: recipe.name,
      file: recipe.document.path,
      directory: folder.path,
      pid: process.pid,
      state: 'running',
      exit_code: null,
      interrupted_by: null,
      started_at: new Date().toISOString(),
      duration_ms: null,
      flows: 0,
      denied: 0,
      steps: recipe.steps.map((step) => stepRecord(step, plans.find((plan) => plan.step === step))),
    };
    writePrivately(this.#file, this.#text());
  }

  /** Changes the record and writes it. A disk that refuses it ends no run, and is told once. */
  update(change: (content: RunRecordFile) => void): void {
    change(this.content);
    this.content.flows = sum(this.content.steps.map(({ flows }) => flows));
    this.content.denied = sum(this.content.steps.map(({ denied }) => denied));
    try {
      writePrivately(this.#file, this.#text());
    } catch (error) {
      if (!this.#warned) this.#warn(new MentuError('run_record_not_written', { file: this.#file, reason: (error as Error).message }, { cause: error }));
      this.#warned = true;
    }
  }

  /** What has not begun is skipped from now on. */
  end(state: RunState, exitCode: number, interruptedBy: string | null): void {
    this.update((content) => {
      content.state = state;
      content.exit_code = exitCode;
      content.interrupted_by = interruptedBy;
      content.duration_ms = Math.round(performance.now() - this.#started);
      for (const step of content.steps) if (step.state === 'pending') step.state = 'skipped';
    });
  }

  #text(): string {
    return `${JSON.stringify(this.content, null, 2)}\n`;
  }
}

function stepRecord(step: Step, plan: StepPlan | undefined): StepRecord {
  return {
    name: step.name,
    state: plan === undefined ? 'skipped' : 'pending',
    where: step.vm ? 'guest' : 'host',
    engine: plan?.engine?.name ?? null,
    boundary: plan?.engine?.boundary ?? null,
    captured: step.vm && step.capture,
    command: plan === undefined ? step.commandLine : commandLineOf(plan),
    folder: null,
    job_id: null,
    exit_code: null,
    timed_out: false,
    error: null,
    started_at: null,
    duration_ms: null,
    flows: null,
    denied: null,
  };
}

/** The program and its arguments; the arguments alone where an image names the program. */
export function commandLineOf({ settings: { command, args } }: StepPlan): readonly string[] {
  return command === null ? args : [command, ...args];
}

function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}
