/** Signals on stdout: as a table, as JSON, as JSON Lines. */
import type { Signal } from '../../plugins/cir-sink/cir.ts';
import { oneOf } from '../flags.ts';
import { writeJsonArray, writeJsonLines } from '../output.ts';
import { writeTable, type Column } from '../table.ts';

export const FORMAT_FLAG = { type: 'string', value: 'table|json|jsonl', description: 'how to print (default table)' } as const;

/** Prints and returns how many there were. */
export async function writeSignals(signals: AsyncIterable<Signal>, format: string | undefined): Promise<number> {
  switch (oneOf('--format', format, ['table', 'json', 'jsonl'])) {
    case 'json':
      return writeJsonArray(signals);
    case 'jsonl':
      return writeJsonLines(signals);
    default:
      return writeTable(COLUMNS, signals);
  }
}

const COLUMNS: readonly Column<Signal>[] = [
  { title: 'TIME', text: (signal) => localTime(new Date(signal.created_at)), style: () => 'dim' },
  { title: 'TYPE', text: (signal) => signal.type },
  { title: 'SIGNAL', text: (signal) => signal.body, style: styleOf },
];

function styleOf({ type, data }: Signal): 'red' | 'yellow' | undefined {
  const { outcome, status } = data;
  if (type === 'sandbox_violation' || outcome === 'denied') return 'red';
  if (outcome === 'failed' || outcome === 'aborted' || (typeof status === 'number' && status >= 400)) return 'yellow';
  return undefined;
}

function localTime(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** The first `limit` of them; then `onMore` where there are others. */
export async function* atMost<T>(items: AsyncIterable<T>, limit: number, onMore: () => void): AsyncGenerator<T> {
  let count = 0;
  for await (const item of items) {
    if (count++ === limit) return onMore();
    yield item;
  }
}
