import { resolve } from 'node:path';
import { defineCommand } from '../../command.ts';
import { section } from '../../engine-report.ts';
import { loadEngine, setUpEngine } from '../../engines.ts';
import { badFlag } from '../../flags.ts';
import { note, safeJson, visible, write } from '../../output.ts';
import { PluginModules } from '../../plugins/modules.ts';
import { settleJob } from '../../settings/job-settings.ts';
import { readSources } from '../../settings/setting-sources.ts';

export default defineCommand({
  description: 'Makes an engine ready on this machine: finds or fetches what it needs, says what it did and why it trusts it, and tries it.',
  flags: {
    kernel: { type: 'string', value: 'FILE', description: 'the kernel that guests boot (vmlinuz or vmlinux); its modules are looked for beside it and in /lib/modules' },
    profile: { type: 'string', value: 'FILE', description: 'a profile, for the kernel that it names' },
    json: { type: 'boolean', description: 'print what was set up as JSON, and the steps on stderr' },
  },
  positionals: { usage: 'NAME', min: 1, max: 1 },
  notes:
    "Without --kernel, the kernel is the one that the profile or mentu.yaml names, else what is set up already, else one of this machine's own (/boot/vmlinuz-*), else Debian's package, fetched by apt-get and not installed. It may be run again at any time: what is whole stays.",
  async run({ flags, positionals }) {
    const name = positionals[0]!;
    const engine = await loadEngine(name);
    const say = flags.json ? note : (sentence: string): void => void write(`${visible(sentence)}\n`);
    const done = await setUpEngine(name, { kernel: flags.kernel === undefined ? namedKernel(flags.profile) : resolve(flags.kernel), say });
    if (done === null && flags.kernel !== undefined) throw badFlag('--kernel', `has no meaning for the engine ${name}, whose guests run on this machine's kernel`);
    const lacking = (await engine.examine()).filter(({ ok }) => !ok);
    if (flags.json) await write(`${safeJson({ engine: name, ready: lacking.length === 0, ...done, missing: lacking }, 2)}\n`);
    else if (lacking.length > 0) await section(`The engine ${name} still lacks`, lacking);
    else await write(`The engine ${name} is ready: mentu-runtime exec --engine ${name} -- COMMAND\n`);
    return lacking.length === 0 ? 0 : 1;
  },
});

/** As `exec` would have it here. */
function namedKernel(profile: string | undefined): string | null {
  const modules = new PluginModules();
  try {
    return settleJob(readSources({ profile }, { cwd: process.cwd(), modules })).kernel;
  } finally {
    modules.close();
  }
}
