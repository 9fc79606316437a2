import { mentuHome } from '../../../plugins/cir-sink/location.ts';
import { defineCommand } from '../../command.ts';
import { visible, write } from '../../output.ts';
import { PluginModules } from '../../plugins/modules.ts';
import { at } from '../../settings/plugin-list.ts';
import { examineConfig } from '../../settings/setting-sources.ts';
import { TrustStore } from '../../settings/trust-store.ts';

export default defineCommand({
  description: 'Vouches for the mentu.yaml of this folder as it is now, with the files that it reaches.',
  flags: {},
  notes: 'Recorded is a hash of mentu.yaml and of the profile, presets, CA files and plugins that it names. When one of them changes, it is refused until it is trusted anew.',
  async run() {
    const modules = new PluginModules();
    try {
      const found = examineConfig({ cwd: process.cwd(), modules });
      if (!found) {
        await write('There is no mentu.yaml here.\n');
        return 1;
      }
      const { reach, vouched, realPath } = found;
      if (reach.claims.length === 0) {
        await write('This mentu.yaml claims nothing that needs trust.\n');
        return 0;
      }
      new TrustStore(mentuHome()).trust(realPath, vouched.digest, [...vouched.hashes.keys()]);
      const claims = reach.claims.map((claim) => `  - ${visible(claim.text)} (${visible(at(claim.place))})\n`);
      const files = [...vouched.hashes].map(([file, hash]) => `  ${hash.slice(0, 16)}  ${visible(file)}\n`);
      await write(`Trusted: ${visible(realPath)}, which\n${claims.join('')}Files, with the beginning of their SHA-256:\n${files.join('')}`);
      return 0;
    } finally {
      modules.close();
    }
  },
});
