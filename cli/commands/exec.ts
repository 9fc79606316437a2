import { defineCommand } from '../command.ts';
import { loadEngine } from '../engines.ts';
import { createJobFolder } from '../job/job-folder.ts';
import { checkIsolation, idleUncaptured } from '../job/guest-job.ts';
import { idleOnHost, runHostJob } from '../job/host-job.ts';
import { summaryText } from '../job/job-summary.ts';
import { runRecordedJob } from '../job/recorded-job.ts';
import { note, safeJson } from '../output.ts';
import { PluginModules } from '../plugins/modules.ts';
import { commandOf, settleJob } from '../settings/job-settings.ts';
import { captureFlags, guestFlags, settingFlagsOf } from '../settings/setting-flags.ts';
import { readSources } from '../settings/setting-sources.ts';

const ENGINE_FAILURE = 125;

export default defineCommand({
  description: 'Runs a command in an isolated guest; with --interceptor, captures, polices and records every request that it makes.',
  flags: {
    ...captureFlags,
    ...guestFlags,
    interceptor: { type: 'boolean', description: 'capture, police and record all that the guest sends and gets' },
    host: { type: 'boolean', description: 'run the command on the host, without a guest and without capture' },
    json: { type: 'boolean', description: 'print the summary as one line of JSON on stderr' },
  },
  positionals: { usage: '[COMMAND [ARG…]]', min: 0, max: Infinity },
  takesCommandLine: true,
  notes:
    'The exit code is the command\'s own; 124 where its timeout has passed, 125 where the guest could not be run, 126 where the command is not executable, 127 where it is not found, 128+n where signal n ended it. stdout is the command\'s alone; the summary goes to stderr.',
  failure: { usage: ENGINE_FAILURE, error: ENGINE_FAILURE },
  ownsOutput: true,
  async run({ flags, positionals }) {
    const cwd = process.cwd();
    const modules = new PluginModules();
    try {
      const sources = readSources({ ...settingFlagsOf(flags), interceptor: flags.interceptor, host: flags.host, commandLine: positionals }, { cwd, modules });
      const settings = settleJob(sources);
      if (settings.host || settings.rootfs === null) commandOf(settings); // an image may name one
      if (settings.host) {
        if (settings.interceptor) note('mentu: --interceptor has no effect with --host: interception belongs to a guest.');
        if (settings.lists.length > 0) note('mentu: the domain lists do not apply with --host: they hold for a guest.');
        const idle = idleOnHost(settings);
        if (idle.length > 0) note(`mentu: no effect with --host, for they belong to a guest: ${idle.join(', ')}.`);
        return (await runHostJob(settings)).code;
      }
      checkIsolation(settings);
      const idle = idleUncaptured(settings);
      if (idle.length > 0) note(`mentu: no effect without --interceptor: ${idle.join(', ')}.`);
      const engine = await loadEngine(settings.engine, { kernel: settings.kernel });
      const folder = createJobFolder(cwd, settings.jobDir);
      const { exit, summary } = await runRecordedJob(settings, engine, folder, modules);
      if (exit.failure) note(`mentu-runtime exec: ${exit.failure}`);
      if (flags.json) note(safeJson(summary));
      else if (settings.interceptor) process.stderr.write(summaryText(summary));
      return exit.code;
    } finally {
      modules.close();
    }
  },
});
