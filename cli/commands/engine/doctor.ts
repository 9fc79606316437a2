import { defineCommand } from '../../command.ts';
import { reportEngine } from '../../engine-report.ts';

export default defineCommand({
  description: 'Says what an engine needs and lacks here, with the one line that mends it, and proves its sandbox by a self-test.',
  flags: { json: { type: 'boolean', description: 'print JSON' } },
  positionals: { usage: '[NAME]', min: 0, max: 1 },
  notes: 'Without a name, the default engine. Exit code 0 where everything holds, 1 where something is missing or the self-test fails.',
  run: ({ flags, positionals }) => reportEngine(positionals[0] ?? null, flags.json),
});
