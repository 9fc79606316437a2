/** The flags by which `exec`, `proxy` and `config show` settle a job. */
import { badFlag, oneOf } from '../flags.ts';
import type { FlagValues, Flags } from '../command.ts';
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
  };
}
