/** Runs the steps of a recipe one after the other and keeps its record. */
import { join } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { createJobFolder, type JobFolder } from '../job/job-folder.ts';
import { runRecordedHostJob, runRecordedJob } from '../job/recorded-job.ts';
import { wantsTerminal } from '../job/terminal-session.ts';
import { note, visible } from '../output.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { refuseMoved } from './anchored-paths.ts';
import { Interruption, codeOf } from './interruption.ts';
import type { Recipe } from './recipe.ts';
import { RunRecord, type RunRecordFile, type StepRecord } from './run-record.ts';
import type { StepPlan } from './step-plan.ts';

/** As `exec` has it where the guest could not be run. */
const ENGINE_FAILURE = 125;

export interface RunOptions {
  readonly modules: PluginModules;
  /** Tells of each step before it starts. */
  readonly announce: (plan: StepPlan, index: number) => void;
}

interface StepEnd {
  readonly code: number;
  readonly timedOut: boolean;
  readonly error: MentuError | null;
  readonly flows: number | null;
  readonly denied: number | null;
}

const NOT_RUN: StepEnd = { code: ENGINE_FAILURE, timedOut: false, error: null, flows: null, denied: null };

/** Resolves to the record as it was last written; its exit code is the run's. A step that fails is no error here. */
export async function runRecipe(recipe: Recipe, plans: readonly StepPlan[], folder: JobFolder, { modules, announce }: RunOptions): Promise<RunRecordFile> {
  const record = new RunRecord(recipe, plans, folder, (error) => note(`mentu: ${error}`));
  const interruption = new Interruption();
  let failure = 0;
  let ended = false;
  try {
    for (const plan of plans) {
      const { step } = plan;
      const index = recipe.steps.indexOf(step);
      announce(plan, index);
      const end = await runStep(plan, index, record, folder, modules);
      if (plan.engine !== null && wantsTerminal()) interruption.noteKeys(end.code);
      if (end.error) note(`mentu: ${visible(step.name)}: ${end.error}`);
      if (interruption.signal !== null) failure = end.code || codeOf(interruption.signal);
      else if (end.code !== 0 && !step.continueOnError) failure = end.code;
      if (failure !== 0) break;
    }
    record.end(failure === 0 ? 'succeeded' : 'failed', failure, interruption.signal);
    ended = true;
    return record.content;
  } finally {
    interruption.close();
    if (!ended) record.end('failed', ENGINE_FAILURE, interruption.signal);
  }
}

async function runStep(plan: StepPlan, index: number, record: RunRecord, run: JobFolder, modules: PluginModules): Promise<StepEnd> {
  const name = folderName(index, plan.step.name);
  const folder = createJobFolder(run.path, join(run.path, name));
  const started = performance.now();
  const update = (change: (step: StepRecord) => void): void => record.update(({ steps }) => change(steps[index]!));
  update((step) => {
    step.state = 'running';
    step.folder = name;
    step.job_id = folder.id;
    step.started_at = new Date().toISOString();
  });
  let end: StepEnd = NOT_RUN;
  try {
    return (end = await execute(plan, folder, modules));
  } finally {
    update((step) => {
      step.state = end.code === 0 ? 'succeeded' : 'failed';
      step.exit_code = end.code;
      step.timed_out = end.timedOut;
      step.error = end.error && { code: end.error.code, message: end.error.message };
      step.duration_ms = Math.round(performance.now() - started);
      step.flows = end.flows;
      step.denied = end.denied;
    });
  }
}

/** A failure of the engine is the step's, with the exit code that it has in `exec`; a defect of ours is thrown. */
async function execute({ settings, engine }: StepPlan, folder: JobFolder, modules: PluginModules): Promise<StepEnd> {
  try {
    refuseMoved(settings);
    if (engine === null) return { ...NOT_RUN, ...(await runRecordedHostJob(settings, folder)) };
    const { exit, summary } = await runRecordedJob(settings, engine, folder, modules);
    const counts = settings.interceptor ? { flows: summary.flows, denied: summary.denied } : {};
    return { ...NOT_RUN, code: exit.code, timedOut: summary.timed_out, error: exit.failure ?? null, ...counts };
  } catch (error) {
    if (error instanceof MentuError) return { ...NOT_RUN, error };
    throw error;
  }
}

/** `02-build-all`: in the order of the steps, and safe as a name whatever the step is called. */
export function folderName(index: number, name: string): string {
  const safe = name.normalize('NFKD').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 48);
  return [String(index + 1).padStart(2, '0'), ...(safe === '' ? [] : [safe])].join('-');
}
