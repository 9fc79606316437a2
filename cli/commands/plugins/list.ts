import { defineCommand } from '../../command.ts';
import { safeJson, write } from '../../output.ts';
import { describeBuiltInPlugins, describeListedPlugins, optionKeys, type PluginDescription } from '../../plugins/catalogue.ts';
import { PluginModules } from '../../plugins/modules.ts';
import { loadPreset } from '../../settings/preset.ts';
import { SourceFiles } from '../../settings/source-file.ts';
import { writeTable } from '../../table.ts';

export default defineCommand({
  description: 'Lists the built-in plugins, and with --preset those that a preset loads beside them.',
  flags: {
    preset: { type: 'string', value: 'NAME|FILE', description: 'a preset whose own plugins are listed too' },
    json: { type: 'boolean', description: 'print JSON, with the schemas of the options' },
  },
  async run({ flags }) {
    const cwd = process.cwd();
    const modules = new PluginModules();
    try {
      const listed = flags.preset === undefined ? [] : loadPreset(new SourceFiles(cwd), flags.preset, cwd).plugins;
      const plugins = [...(await describeBuiltInPlugins()), ...(await describeListedPlugins(listed, modules, cwd))];
      if (flags.json) await write(`${safeJson(plugins, 2)}\n`);
      else await writeTable(columns, plugins);
      return 0;
    } finally {
      modules.close();
    }
  },
});

const columns = [
  { title: 'PLUGIN', text: (plugin: PluginDescription) => plugin.name },
  { title: 'FROM', text: (plugin: PluginDescription) => (plugin.kind === 'built-in' ? plugin.kind : plugin.file) },
  { title: 'OPTIONS', text: (plugin: PluginDescription) => optionKeys(plugin.options) },
  { title: 'DESCRIPTION', text: (plugin: PluginDescription) => plugin.description },
];
