import { defineCommand } from '../../command.ts';
import { safeJson, write } from '../../output.ts';
import { loadPreset } from '../../settings/preset.ts';
import { presetText } from '../../settings/preset-text.ts';
import { SourceFiles } from '../../settings/source-file.ts';

export default defineCommand({
  description: 'Prints a preset with all that it extends, and where each part comes from.',
  flags: { json: { type: 'boolean', description: 'print JSON' } },
  positionals: { usage: 'NAME|FILE', min: 1, max: 1 },
  async run({ flags, positionals }) {
    const cwd = process.cwd();
    const preset = loadPreset(new SourceFiles(cwd), positionals[0]!, cwd);
    if (flags.json) {
      const { name, description, chain, record, lists, plugins } = preset;
      const listed = plugins.map(({ key, options, origin, place }) => ({ plugin: key, options, origin, place }));
      await write(`${safeJson({ name, description, chain, record, lists, plugins: listed }, 2)}\n`);
    } else await write(presetText(preset));
    return 0;
  },
});
