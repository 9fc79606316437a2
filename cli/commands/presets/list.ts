import { defineCommand } from '../../command.ts';
import { safeJson, write } from '../../output.ts';
import { builtInPresets } from '../../settings/installation.ts';
import { loadPreset } from '../../settings/preset.ts';
import { DEFAULT_PRESET } from '../../settings/setting-sources.ts';
import { SourceFiles } from '../../settings/source-file.ts';
import { writeTable } from '../../table.ts';

export default defineCommand({
  description: 'Lists the presets that come with this program.',
  flags: { json: { type: 'boolean', description: 'print JSON' } },
  async run({ flags }) {
    const cwd = process.cwd();
    const presets = [...builtInPresets().keys()]
      .map((name) => loadPreset(new SourceFiles(cwd), name, cwd))
      .map(({ name, description, chain, plugins }) => ({ name, description, extends: chain[1] ?? null, plugins: plugins.map((plugin) => plugin.key), default: name === DEFAULT_PRESET }));
    if (flags.json) {
      await write(`${safeJson(presets, 2)}\n`);
      return 0;
    }
    await writeTable(
      [
        { title: 'PRESET', text: (preset: (typeof presets)[number]) => preset.name },
        { title: 'DESCRIPTION', text: (preset) => preset.description },
      ],
      presets,
    );
    return 0;
  },
});
