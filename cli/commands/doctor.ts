import { defineCommand } from '../command.ts';
import { reportEngine } from '../engine-report.ts';

export default defineCommand({
  description: 'Says what the guest engine of this machine needs and lacks, with the one line that mends it, and proves the sandbox by a self-test.',
  flags: {
    engine: { type: 'string', value: 'NAME', description: 'the engine to examine (default: the one that guests get where nothing names one)' },
    json: { type: 'boolean', description: 'print JSON' },
  },
  notes: 'Exit code 0 where everything holds, 1 where something is missing or the self-test fails.',
  run: ({ flags }) => reportEngine(flags.engine ?? null, flags.json),
});
