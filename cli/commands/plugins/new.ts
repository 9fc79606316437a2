import { relative, resolve } from 'node:path';
import { defineCommand } from '../../command.ts';
import { write } from '../../output.ts';
import { scaffoldPlugin } from '../../plugins/scaffold.ts';

export default defineCommand({
  description: 'Makes a folder with a plugin, a test of it that passes, and a preset that loads it.',
  flags: { dir: { type: 'string', value: 'DIR', description: 'where to make the folder (default: here)' } },
  positionals: { usage: 'NAME', min: 1, max: 1 },
  async run({ flags, positionals }) {
    const cwd = process.cwd();
    const { folder, files } = scaffoldPlugin(positionals[0]!, resolve(cwd, flags.dir ?? '.'));
    const inside = relative(cwd, folder);
    const shown = inside.startsWith('..') ? folder : `./${inside}`;
    await write(
      `${files.map((file) => `${shown}/${file}\n`).join('')}
Test it:  (cd ${shown} && node --test)
Use it:   mentu-runtime exec --interceptor --preset ${shown}/preset.yaml -- COMMAND
`,
    );
    return 0;
  },
});
