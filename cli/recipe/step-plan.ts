/** Where and with which settings each step will run. All is read before the first step starts, so that no step can change another's. */
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import type { GuestEngine } from '../../plugins/engines/engine.ts';
import { checkIsolation, idleUncaptured } from '../job/guest-job.ts';
import { idleOnHost } from '../job/host-job.ts';
import { importPlugins } from '../plugins/loader.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { settleJob, type JobSettings } from '../settings/job-settings.ts';
import { loadPreset } from '../settings/preset.ts';
import { loadProfile } from '../settings/profile.ts';
import { readSources } from '../settings/setting-sources.ts';
import { SourceFiles } from '../settings/source-file.ts';
import { anchored } from './anchored-paths.ts';
import type { Recipe, Step } from './recipe.ts';
import { engineOfStep, type StepEngine } from './step-engine.ts';
import type { Variables } from './variables.ts';

export const GUEST_WORKSPACE = '/workspace';

export interface StepPlan {
  readonly step: Step;
  readonly settings: JobSettings;
  /** Null: on the host. */
  readonly engine: GuestEngine | null;
  /** A guest without a kernel of its own, where nobody has chosen that. */
  readonly isStopgap: boolean;
  /** What of the step will not hold where it runs, a sentence each. */
  readonly notes: readonly string[];
}

export interface PlanContext {
  /** The directory in which the recipe is run; its `mentu.yaml` holds for every step. */
  readonly cwd: string;
  readonly modules: PluginModules;
  readonly run: string;
}

/** Throws the first mistake, at the place in the recipe or in the file that it names. Starts nothing. */
export async function planSteps(recipe: Recipe, steps: readonly Step[], context: PlanContext): Promise<StepPlan[]> {
  const engines = new Map<string, Promise<StepEngine>>();
  const engineFor: typeof engineOfStep = (named, kernel) => {
    const key = JSON.stringify([named, kernel]);
    return engines.get(key) ?? engines.set(key, engineOfStep(named, kernel)).get(key)!;
  };
  const plans: StepPlan[] = [];
  for (const step of steps) plans.push(await planStep(recipe, step, context, engineFor));
  return plans;
}

async function planStep(recipe: Recipe, step: Step, { cwd, modules, run }: PlanContext, engineFor: typeof engineOfStep): Promise<StepPlan> {
  checkNamedFiles(step, new SourceFiles(cwd));
  const sources = readSources(
    {
      profile: step.profile ?? undefined,
      preset: step.preset ?? undefined,
      engine: step.engine ?? undefined,
      timeout: step.timeout,
      interceptor: step.vm && step.capture,
      host: !step.vm,
      commandLine: step.commandLine,
    },
    { cwd, modules },
  );
  const settled = settleJob(sources);
  // An image may name its command itself.
  if (settled.command === null && !(step.vm && settled.rootfs !== null)) {
    throw new MentuError('recipe_step_invalid', { step: step.name, reason: 'neither it nor its profile names a command', mend: 'Give it `args`, of which the first is the program.' }, { place: step.placeOf() });
  }
  const settings = anchored({
    ...settled,
    step: { name: step.name, recipe: recipe.name, run },
    env: { ...settled.env, ...step.env },
    workspace: recipe.workspace ?? cwd,
    mounts: recipe.workspace !== null && settled.mounts.length === 0 ? [{ source: recipe.workspace, destination: GUEST_WORKSPACE, readOnly: false }] : settled.mounts,
  });
  if (!step.vm) return { step, settings, engine: null, isStopgap: false, notes: hostNotes(step, settings) };
  inPlace(step.placeOf('enableInterception'), () => checkIsolation(settings));
  const { engine, isStopgap } = await inPlace(step.placeOf('engine'), () => engineFor(settings.engine, settings.kernel));
  // A plugin that a guest could write to is in memory before the first guest runs.
  if (settings.interceptor) await importPlugins(settings.plugins, modules, settings.cwd);
  const idle = idleUncaptured(settings);
  return { step, settings, engine, isStopgap, notes: idle.length > 0 ? [`no effect, for nothing is captured ("enableInterception" is not true): ${idle.join(', ')}.`] : [] };
}

/** Throws where the profile or the preset that a step names is missing or wrong. A path that waits for a variable is left alone. */
export function checkNamedFiles(step: Step, files: SourceFiles, variables?: Variables): void {
  if (step.profile !== null && !variables?.waits(step.profile)) loadProfile(files, step.profile, step.placeOf('profile'));
  if (step.preset !== null && !variables?.waits(step.preset)) loadPreset(files, step.preset, files.cwd, step.placeOf('preset'));
}

function hostNotes(step: Step, settings: JobSettings): string[] {
  const notes: string[] = [];
  if (step.capture) notes.push('enableInterception has no effect: the step runs on the host ("vm" is not true), and interception belongs to a guest.');
  if (step.engine !== null) notes.push(`the engine ${step.engine} is not used: the step runs on the host ("vm" is not true).`);
  if (settings.lists.some(({ allowed, denied }) => allowed !== null || denied.length > 0)) notes.push('the domain lists do not apply: the step runs on the host, and they hold for a guest.');
  const idle = idleOnHost(settings);
  if (idle.length > 0) notes.push(`no effect, for the step runs on the host and they belong to a guest: ${idle.join(', ')}.`);
  return notes;
}

/** Gives an error without a place the one in the recipe. */
function inPlace<Result>(place: ErrorPlace, work: () => Result): Result {
  const placed = (error: unknown): unknown => (error instanceof MentuError && error.place === undefined ? new MentuError(error.code, error.params, { cause: error, place }) : error);
  try {
    const result = work();
    return result instanceof Promise ? (result.catch((error: unknown) => Promise.reject(placed(error))) as Result) : result;
  } catch (error) {
    throw placed(error);
  }
}
