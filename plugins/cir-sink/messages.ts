/** What the queue and the writer's thread say to each other. Signals travel as one flat list, which is cloned in a third of the time of objects. */
import type { FlowRecord } from '../../core/index.ts';
import { signalsOf } from './projection.ts';
import type { PackedSignal } from './signal.ts';

export type Order =
  | { readonly kind: 'append'; readonly lines: readonly string[]; readonly columns: Columns }
  /** After it the thread ends. From `flowsFile` it fills in what it could not write, and with `fillIn` what was left out before. */
  | { readonly kind: 'close'; readonly flowsFile: string; readonly fillIn: boolean };

export type Answer =
  | { readonly kind: 'appended'; readonly error: string | null }
  /** `flows`: how many the file had, where it was read. */
  | { readonly kind: 'closed'; readonly flows: number | null; readonly error: string | null };

export type Columns = (string | number | null)[];

const WIDTH = 10;

export function pushColumns(columns: Columns, signal: PackedSignal): void {
  const { id, type, body, domain, confidence, source, created_at, job, tags, data } = signal;
  columns.push(id, type, body, domain, confidence, source, created_at, job, tags, data);
}

/** Lines are of our own making, so they are taken as they are. */
export function signalsIn(lines: readonly string[], columns: Columns): PackedSignal[] {
  const signals = lines.flatMap((line) => signalsOf(JSON.parse(line) as FlowRecord));
  for (let i = 0; i < columns.length; i += WIDTH) {
    signals.push({
      id: columns[i] as string,
      type: columns[i + 1] as string,
      body: columns[i + 2] as string,
      domain: columns[i + 3] as string | null,
      confidence: columns[i + 4] as number | null,
      source: columns[i + 5] as string | null,
      created_at: columns[i + 6] as string,
      job: columns[i + 7] as string | null,
      tags: columns[i + 8] as string,
      data: columns[i + 9] as string,
    });
  }
  return signals;
}
