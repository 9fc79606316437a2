import { DEFAULT_LIMIT, openCir } from '../../plugins/cir-sink/cir.ts';
import { defineCommand } from '../command.ts';
import { wholeNumber } from '../flags.ts';
import { note } from '../output.ts';
import { FORMAT_FLAG, atMost, writeSignals } from './signal-output.ts';

export default defineCommand({
  description: 'Finds signals by words of their text, host, rule, tags and job, newest first.',
  positionals: { usage: 'TEXT…', min: 1, max: Infinity },
  flags: {
    limit: { type: 'string', value: 'N', short: 'n', description: `at most so many (default ${DEFAULT_LIMIT})` },
    format: FORMAT_FLAG,
  },
  notes: `
All words must occur. "several words" in quotes stand in this order; begin* finds all that begin so.
A word is letters and digits: api.example.com is the words api, example and com in a row.
What was stored since the last search is indexed first.

Exit codes: 0 printed, also where nothing is found; 1 the store cannot be read; 2 a mistake in the arguments.`,
  async run({ flags, positionals }) {
    const limit = wholeNumber('--limit', flags.limit, 1, Number.MAX_SAFE_INTEGER - 1) ?? DEFAULT_LIMIT;
    const cir = openCir();
    try {
      const found = cir.streamSearch(positionals.join(' '), limit + 1);
      const shown = await writeSignals(atMost(found, limit, () => note(`The newest ${limit} are shown; --limit N shows more.`)), flags.format);
      if (shown === 0) note(cir.exists ? 'No signal has these words.' : `There are no signals yet: ${cir.location} is made by the first job with --interceptor.`);
      return 0;
    } finally {
      await cir.close();
    }
  },
});
