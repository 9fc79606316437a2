import { FLOW_FIELD_NAMES, STEP_FIELD_NAMES, fieldNames, parseFilter } from '../../core/index.ts';
import { DEFAULT_LIMIT, SIGNAL_FIELDS, openCir } from '../../plugins/cir-sink/cir.ts';
import { defineCommand } from '../command.ts';
import { wholeNumber } from '../flags.ts';
import { nearest } from '../nearest.ts';
import { note } from '../output.ts';
import { FORMAT_FLAG, atMost, writeSignals } from './signal-output.ts';

export default defineCommand({
  description: 'Lists signals, newest first.',
  flags: {
    type: { type: 'string', value: 'TYPE', aliases: ['kind'], description: 'network_flow, sandbox_violation, or a type of your own' },
    since: { type: 'string', value: 'WHEN', description: 'from then on: 24h, 15m, 7d, 2026-03-01, 2026-03-01T12:00:00Z' },
    until: { type: 'string', value: 'WHEN', description: 'up to then, in the same forms' },
    domain: { type: 'string', value: 'DOMAIN', description: 'signals of one domain, such as network' },
    job: { type: 'string', value: 'ID', description: 'signals of one job' },
    where: { type: 'string', value: 'EXPRESSION', multiple: true, description: 'signals for which it holds' },
    limit: { type: 'string', value: 'N', short: 'n', description: `at most so many (default ${DEFAULT_LIMIT})` },
    format: FORMAT_FLAG,
  },
  notes: `
An expression compares a field with a value by = != > >= < <= or ~ (contains; with a * in the value:
has this shape), and joins such comparisons by and, or, not and brackets:

  status>=400 and host~*.example.com        outcome=denied or bytes_up>1000000
  not (method=GET or method=HEAD)           tags=http and error!=null

Quote a value that holds blanks or brackets. Fields of a flow: host, method, path, status, outcome,
protocol, latency_ms, bytes_up, bytes_down, sni, error, rule and more; docs/cir.md has them all.

Exit codes: 0 printed, also where nothing matches; 1 the store cannot be read; 2 a mistake in the arguments.`,
  async run({ flags }) {
    const { type, since, until, domain, job, where } = flags;
    const limit = wholeNumber('--limit', flags.limit, 1, Number.MAX_SAFE_INTEGER - 1) ?? DEFAULT_LIMIT;
    const cir = openCir();
    try {
      const found = cir.stream({ type, since, until, domain, job, where, limit: limit + 1 });
      const shown = await writeSignals(atMost(found, limit, () => note(`The newest ${limit} are shown; --limit N shows more.`)), flags.format);
      if (shown === 0) note(cir.exists ? `No signal matches.${hint(where)}` : `There are no signals yet: ${cir.location} is made by the first job with --interceptor.`);
      return 0;
    } finally {
      await cir.close();
    }
  },
});

/** Where nothing matches, a name that no flow has may be a slip. */
function hint(where: readonly string[]): string {
  const known = [...SIGNAL_FIELDS, ...FLOW_FIELD_NAMES, ...STEP_FIELD_NAMES];
  const slips = where
    .flatMap((expression) => [...fieldNames(parseFilter(expression))])
    .filter((name) => !name.includes('.') && !known.includes(name))
    .map((name) => [name, nearest(name, known)] as const)
    .filter(([, near]) => near !== undefined);
  return slips.map(([name, near]) => ` No flow has a field "${name}"; did you mean "${near}"?`).join('');
}
