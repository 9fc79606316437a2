import { openCir, type StoreStats } from '../../plugins/cir-sink/cir.ts';
import { defineCommand } from '../command.ts';
import { oneOf } from '../flags.ts';
import { safeJson, visible, write } from '../output.ts';

export default defineCommand({
  description: 'Counts what the store of signals holds.',
  flags: {
    format: { type: 'string', value: 'table|json', description: 'how to print (default table)' },
  },
  notes: `
Exit codes: 0 printed; 1 the store cannot be read; 2 a mistake in the arguments.`,
  async run({ flags }) {
    const format = oneOf('--format', flags.format, ['table', 'json']);
    const cir = openCir();
    try {
      const stats = await cir.stats();
      await write(format === 'json' ? `${safeJson(stats)}\n` : lines(stats));
      return 0;
    } finally {
      await cir.close();
    }
  },
});

function lines({ location, signals, jobs, types, domains, first, last, size }: StoreStats): string {
  const counts = (named: Readonly<Record<string, number>>): [string, string][] => Object.entries(named).map(([name, count]) => [`  ${name}`, String(count)]);
  const rows: [string, string][] = [
    ['store', location],
    ['size', `${(size / 1e6).toFixed(1)} MB`],
    ['jobs', String(jobs)],
    ['first', first ?? '-'],
    ['last', last ?? '-'],
    ['signals', String(signals)],
    ...counts(types),
    ['domains', ''],
    ...counts(domains),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${visible(name).padEnd(width)}  ${visible(value)}`.trimEnd() + '\n').join('');
}
