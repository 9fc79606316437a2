/** A plan for a person and for programs: what would run where. */
import { durationText } from '../settings/duration.ts';
import { visible } from '../output.ts';
import type { Recipe, Step } from './recipe.ts';
import { commandLineOf } from './run-record.ts';
import type { StepPlan } from './step-plan.ts';

/** A command as a shell would take it. */
export function commandText(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}

/** `host`, `namespace`, `qemu (kernel boundary)`. */
export function whereText({ engine }: Pick<StepPlan, 'engine'>): string {
  if (engine === null) return 'host';
  return engine.boundary === 'kernel' ? `${engine.name} (kernel boundary)` : engine.name;
}

export interface PlanRow {
  readonly step: string;
  readonly runs: boolean;
  readonly where: 'guest' | 'host';
  readonly engine: string | null;
  readonly boundary: string | null;
  readonly captured: boolean;
  readonly command: readonly string[];
  readonly directory: string | null;
  readonly profile: string | null;
  readonly preset: string | null;
  /** Milliseconds. */
  readonly timeout: number | null;
  readonly continue_on_error: boolean;
}

/** A step that `--from` leaves out has no plan. */
export function planRow(step: Step, plan: StepPlan | undefined): PlanRow {
  const settings = plan?.settings;
  return {
    step: step.name,
    runs: plan !== undefined,
    where: step.vm ? 'guest' : 'host',
    engine: plan?.engine?.name ?? null,
    boundary: plan?.engine?.boundary ?? null,
    captured: step.vm && step.capture,
    command: plan === undefined ? step.commandLine : commandLineOf(plan),
    directory: settings?.workspace ?? null,
    profile: step.profile,
    preset: settings?.interceptor ? settings.preset.name : null,
    timeout: settings?.timeout ?? null,
    continue_on_error: step.continueOnError,
  };
}

export const planColumns = [
  { title: 'STEP', text: (row: PlanRow) => row.step },
  { title: 'WHERE', text: (row: PlanRow) => (row.runs ? whereText({ engine: row.engine === null ? null : { name: row.engine, boundary: row.boundary } } as never) : 'skipped') },
  { title: 'CAPTURED', text: (row: PlanRow) => (row.captured ? 'yes' : 'no') },
  { title: 'TIMEOUT', text: (row: PlanRow) => (row.timeout === null ? '-' : durationText(row.timeout)) },
  { title: 'COMMAND', text: (row: PlanRow) => commandText(row.command) || '(of the profile or the image)' },
];

/** What the user should know of a plan before it runs, a line each. */
export function planNotes(plans: readonly StepPlan[]): string[] {
  const stopgaps = plans.filter(({ isStopgap }) => isStopgap);
  const shown = stopgaps.map(({ step }) => visible(step.name)).join(', ');
  return [
    ...(stopgaps.length === 0
      ? []
      : [`mentu: ${shown}: ${stopgaps.length === 1 ? 'runs' : 'run'} in a namespace, which shares the host's kernel, and not in a virtual machine: no engine is named, and QEMU is not set up ("mentu-runtime engine setup qemu").`]),
    ...plans.flatMap(({ step, notes }) => notes.map((text) => `mentu: ${visible(step.name)}: ${text}`)),
  ];
}

/** `recipe analyze (.mentu/recipes/analyze.json), 3 steps, 1 on the host`. */
export function headline(recipe: Recipe, shown: string, plans: readonly StepPlan[]): string {
  const onHost = plans.filter(({ engine }) => engine === null).length;
  const host = onHost === 0 ? '' : onHost === plans.length ? ', on the host' : `, ${onHost} on the host`;
  return `recipe ${visible(recipe.name)} (${visible(shown)}), ${plans.length === 1 ? '1 step' : `${plans.length} steps`}${host}`;
}
