/**
 * Probes in pairs: what a guest must not reach is tried in a guest with every guard, where it has to fail, and the same
 * is tried again where just the guard in question is missing, where it has to succeed. Where two guards stand one behind
 * the other, the control lacks both.
 */
import assert from 'node:assert/strict';
import type { GuestSpec } from '../../plugins/engines/engine.ts';
import type { Attempt, Outcome } from '../../plugins/engines/probe/probe.ts';
import { probeGuest } from '../../plugins/engines/probe/probing.ts';
import type { Probed } from '../../plugins/engines/probe/probing.ts';
import { NAMESPACE } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import { consume } from './job.ts';

export const WORDS = 'words of the host';
const GUESTS_AT_ONCE = 2;

/** A guest like those of the engine, but for the guards. `kernel`: a namespace guest, which has the host's kernel. */
export interface Control {
  readonly without: readonly string[];
  readonly kernel?: true;
}

export interface Pair {
  readonly name: string;
  readonly attempt: Attempt;
  /** By default, that the attempt was carried out. */
  readonly reached?: (outcome: Outcome) => boolean;
  /** For each engine that it is tried in. */
  readonly controls: Readonly<Partial<Record<TestedEngine['name'], Control>>>;
}

export const saysWords = ({ reached, detail }: Outcome): boolean => reached && detail.includes(WORDS);

/** The guard by its name in the namespace engine, where the other engine has a kernel of its own. */
export const byKernel = (...without: string[]): Pair['controls'] => ({ namespace: { without }, qemu: { without, kernel: true } });
/** A guard that both engines have. */
export const byBoth = (...without: string[]): Pair['controls'] => ({ namespace: { without }, qemu: { without } });

export interface Row {
  readonly probe: string;
  readonly engine: string;
  readonly guard: string;
  readonly guest: Outcome;
  readonly control: Outcome;
  readonly holds: boolean;
}

export interface Tried {
  readonly rows: readonly Row[];
  /** Of the guest with every guard. */
  readonly guarded: Probed;
}

export async function tryPairs(engine: TestedEngine, pairs: readonly Pair[], spec: Partial<GuestSpec> = {}): Promise<Tried> {
  const own = pairs.filter(({ controls }) => controls[engine.name] !== undefined);
  const run = async (in_: TestedEngine, group: readonly Pair[], without: readonly string[]): Promise<Probed> =>
    probeGuest({ engine: await in_.make(without), attempts: group.map(({ attempt }) => attempt), spec: { limits: in_.limits, ...spec }, prepared: consume, limitMs: 30_000 * in_.patience });
  const controls = new Map<Pair, Outcome>();
  const groups = [...Map.groupBy(own, ({ controls }) => guardOf(controls[engine.name]!)).values()];
  let guarded: Probed | null = null;
  const tasks = [
    async () => void (guarded = await run(engine, own, [])),
    ...groups.map((group) => async () => {
      const { without, kernel } = group[0]!.controls[engine.name]!;
      const { outcomes } = await run(kernel ? NAMESPACE : engine, group, without);
      group.forEach((pair, index) => controls.set(pair, outcomes[index]!));
    }),
  ];
  const work = async (): Promise<void> => {
    for (let task = tasks.shift(); task; task = tasks.shift()) await task();
  };
  await Promise.all(Array.from({ length: GUESTS_AT_ONCE }, work));
  const rows = own.map((pair, index) => row(engine, pair, guarded!.outcomes[index]!, controls.get(pair)!));
  return { rows, guarded: guarded! };
}

function guardOf({ without, kernel }: Control): string {
  return kernel ? `kernel (a namespace without ${without.join(', ')})` : without.join(', ');
}

export function row(engine: TestedEngine, { name, reached = ({ reached }) => reached, controls }: Omit<Pair, 'attempt'>, guest: Outcome, control: Outcome): Row {
  return { probe: name, engine: engine.name, guard: guardOf(controls[engine.name]!), guest, control, holds: !reached(guest) && reached(control) };
}

/** Fails for a probe that has reached something, and for one whose control has not. */
export function assertHolds({ guest, control, guard, holds }: Row): void {
  const shown = ({ reached, detail }: Outcome): string => `${reached ? 'carried out' : 'not carried out'}: ${detail}`;
  assert.ok(holds, `from the guest: ${shown(guest)}; from the control without ${guard}: ${shown(control)}`);
}

/** The table of probes and their controls, as text. */
export function table(rows: readonly Row[]): string {
  const short = (text: string): string => text.replaceAll(/[^\x20-\x7e]+/g, ' ').trim().slice(0, 34);
  const cells = [['probe', 'engine', 'in a guest', 'in its control', 'guard that the control lacks'], ...rows.map(({ probe, engine, guest, control, guard }) => [probe, engine, short(guest.detail), short(control.detail), guard])];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells.map((line) => line.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}
