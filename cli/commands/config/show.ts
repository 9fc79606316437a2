import { defineCommand } from '../../command.ts';
import { safeJson, write } from '../../output.ts';
import { PluginModules } from '../../plugins/modules.ts';
import { settleJob } from '../../settings/job-settings.ts';
import { at } from '../../settings/plugin-list.ts';
import { captureFlags, guestFlags, settingFlagsOf } from '../../settings/setting-flags.ts';
import { readSources, type ConfigTrust } from '../../settings/setting-sources.ts';
import { settingRows, type SettingRow } from '../../settings/setting-rows.ts';
import { writeTable } from '../../table.ts';

export default defineCommand({
  description: 'Prints the settings that exec would have with the same flags, here and now, and where each comes from.',
  flags: { ...captureFlags, ...guestFlags, json: { type: 'boolean', description: 'print JSON' } },
  notes: 'Sources, strongest first: flag, profile, mentu.yaml, preset, default. A mentu.yaml that is not trusted is shown, though exec would refuse it.',
  async run({ flags }) {
    const modules = new PluginModules();
    try {
      const sources = readSources(settingFlagsOf(flags), { cwd: process.cwd(), modules, requireTrust: false });
      const rows = settingRows(settleJob(sources));
      const trust = sources.trust && trustOf(sources.trust);
      if (flags.json) {
        await write(`${safeJson({ settings: rows.map(({ name, value, origin }) => ({ name, value, origin })), config: trust }, 2)}\n`);
        return 0;
      }
      await writeTable(columns, rows);
      if (trust && trust.state !== 'unneeded' && trust.state !== 'trusted') {
        const reason = trust.state === 'changed' ? 'has changed since it was trusted' : 'is not trusted';
        await write(`\nmentu.yaml ${reason}, and exec would refuse it, because it:\n${trust.claims.map((claim) => `  - ${claim.text} (${claim.at})\n`).join('')}`);
      }
      return 0;
    } finally {
      modules.close();
    }
  },
});

function trustOf({ state, reach }: ConfigTrust) {
  return { state, claims: reach.claims.map((claim) => ({ text: claim.text, at: at(claim.place) })) };
}

const columns = [
  { title: 'SETTING', text: (row: SettingRow) => row.name },
  { title: 'FROM', text: (row: SettingRow) => row.origin },
  { title: 'VALUE', text: (row: SettingRow) => row.text },
];
