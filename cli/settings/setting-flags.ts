/** The flags by which `exec`, `proxy` and `config show` settle a job. */
import { existsSync } from 'node:fs';
import type { FlagValues, Flags } from '../command.ts';
import { badFlag, oneOf } from '../flags.ts';
import { parseByteSize } from './byte-size.ts';
import { DURATION_FORM, parseDuration } from './duration.ts';
import { jobProperties } from './job-schema.ts';
import { readPortForwards } from './port-forwards.ts';
import { parseRestartPolicy } from './restart-policy.ts';
import type { SettingFlags } from './setting-sources.ts';

/** For a capture, with a guest or without. */
export const captureFlags = {
  profile: { type: 'string', value: 'FILE', description: 'the profile (JSON)' },
  preset: { type: 'string', value: 'NAME|FILE', description: 'the preset: a name, or the path of a YAML file' },
  allow: { type: 'string', multiple: true, value: 'HOST', description: 'allow a host beside those of the allow list; without a list, this one and no other' },
  deny: { type: 'string', multiple: true, value: 'HOST', description: 'deny a host' },
  'job-dir': { type: 'string', value: 'DIR', description: 'the folder that takes the record (default .mentu/jobs/<job-id>)' },
} as const satisfies Flags;

/** For a guest. */
export const guestFlags = {
  engine: { type: 'string', value: 'NAME', description: 'the guest engine' },
  network: { type: 'string', value: 'none|nat', description: 'the network mode (default nat)' },
  cpus: { type: 'string', value: 'NUMBER', description: 'the processors that the guest may use at most, such as 1.5' },
  memory: { type: 'string', short: 'm', value: 'SIZE', description: 'the memory that the guest may use at most: 512m, 2g, 1GiB; a number alone is MiB' },
  timeout: { type: 'string', value: 'TIME', description: 'end the command after this time, with exit code 124: 90s, 5m, 1h30m; a number alone is seconds, 0 is none' },
  restart: { type: 'string', value: 'POLICY', description: 'run a command that failed again, in a new guest: no, on-failure, on-failure:N (default no)' },
  port: { type: 'string', short: 'p', multiple: true, aliases: ['publish'], value: 'HOST:GUEST', description: 'lead a port of 127.0.0.1 and ::1 to a port of the guest' },
  rootfs: { type: 'string', value: 'FOLDER|TAR', description: "the guest's root, in place of the host's /usr" },
} as const satisfies Flags;

/** Either of the two sets, or both. */
export function settingFlagsOf(flags: FlagValues<typeof captureFlags> & Partial<FlagValues<typeof guestFlags>>): SettingFlags {
  if (flags.engine !== undefined && !/^[a-z][a-z0-9-]*$/.test(flags.engine)) throw badFlag('--engine', `takes the name of an engine, and "${flags.engine}" was given`);
  return {
    profile: flags.profile,
    preset: flags.preset,
    allow: flags.allow,
    deny: flags.deny,
    jobDir: flags['job-dir'],
    engine: flags.engine,
    networkMode: oneOf('--network', flags.network, ['none', 'nat']),
    cpus: processors(flags.cpus),
    memoryMiB: memory(flags.memory),
    timeout: time(flags.timeout),
    restartPolicy: flags.restart === undefined ? undefined : parseRestartPolicy(flags.restart, { file: '--restart' }),
    ports: readPortForwards(flags.port ?? [], () => ({ file: '--port' })),
    rootfs: rootfs(flags.rootfs),
  };
}

function processors(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const cpus = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (!(cpus >= jobProperties.cpus.minimum)) throw badFlag('--cpus', `takes a number of at least ${jobProperties.cpus.minimum}, and "${text}" was given`);
  return cpus;
}

/** Docker's short units, those of sizes elsewhere, and MiB where there is none, as in the profile. */
function memory(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const spelled = text.replace(/^(\d+)$/, '$1MiB').replace(/^(\d+(?:\.\d+)?)([kmgKMG])$/, (_, number: string, unit: string) => `${number}${unit.toUpperCase()}iB`);
  const mebibytes = Math.floor((parseByteSize(spelled) ?? NaN) / 1024 ** 2);
  const least = jobProperties.memoryMiB.minimum;
  if (!(mebibytes >= least)) throw badFlag('--memory', `takes a size of at least ${least} MiB, such as 512m or 2g, and "${text}" was given`);
  return mebibytes;
}

function time(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (duration === undefined) throw badFlag('--timeout', `takes ${DURATION_FORM}, and "${text}" was given`);
  return duration;
}

function rootfs(path: string | undefined): string | undefined {
  if (path === '' || (path !== undefined && !existsSync(path))) throw badFlag('--rootfs', `takes a folder or an archive, and "${path}" is not there`);
  return path;
}
