/** What a run came to, for a person, a few lines. */
import { relative } from 'node:path';
import { visible } from '../output.ts';
import type { RunRecordFile, StepRecord } from './run-record.ts';

export function runSummaryText(run: RunRecordFile, cwd: string): string {
  const ran = run.steps.filter(({ state }) => state !== 'skipped');
  const succeeded = ran.filter(({ state }) => state === 'succeeded').length;
  const skipped = run.steps.length - ran.length;
  const ends = [`${succeeded} of ${count(run.steps.length, 'step')} succeeded`, ...(skipped > 0 ? [`${skipped} skipped`] : [])];
  const by = run.interrupted_by === null ? '' : `, ended by ${run.interrupted_by}`;
  const widths = [0, 1, 2].map((column) => Math.max(...run.steps.map((step) => cells(step)[column]!.length)));
  const rows = run.steps.map((step) => `  ${cells(step).map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ').trimEnd()}\n`);
  return (
    `mentu: recipe ${visible(run.recipe)}: ${ends.join(', ')}, ${count(run.flows, 'flow')}, ${run.denied} denied, in ${seconds(run.duration_ms ?? 0)}${by}, exit code ${run.exit_code}\n` +
    rows.join('') +
    `  record  ${relative(cwd, run.directory) || '.'}\n`
  );
}

function cells(step: StepRecord): string[] {
  const state = step.state === 'failed' ? `failed (${step.timed_out ? 'timed out' : (step.error?.code ?? `exit code ${step.exit_code}`)})` : step.state;
  const flows = step.flows === null ? [] : [`${count(step.flows, 'flow')}${step.denied ? `, ${step.denied} denied` : ''}`];
  const time = step.duration_ms === null ? [] : [seconds(step.duration_ms)];
  return [visible(step.name), state, step.where === 'host' ? 'host' : (step.engine ?? 'guest'), [...time, ...flows].join(', ')];
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
