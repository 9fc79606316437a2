import { mentuHome } from '../../../plugins/cir-sink/location.ts';
import { defineCommand } from '../../command.ts';
import { loadEngine } from '../../engines.ts';
import { note, write } from '../../output.ts';
import { EngineChoice } from '../../settings/engine-choice.ts';

export default defineCommand({
  description: 'Makes an engine the default: it is taken where no flag, recipe, profile or mentu.yaml names one.',
  flags: {},
  positionals: { usage: 'NAME', min: 1, max: 1 },
  async run({ positionals }) {
    const engine = await loadEngine(positionals[0]!);
    new EngineChoice(mentuHome()).write(engine.name);
    await write(`The default engine is ${engine.name} (boundary: ${engine.boundary}).\n`);
    const lacking = (await engine.examine()).find(({ ok }) => !ok);
    if (lacking) note(`It is not set up here (${lacking.name}: ${lacking.detail}), and guests cannot start before it is: mentu-runtime engine setup ${engine.name}`);
    return 0;
  },
});
