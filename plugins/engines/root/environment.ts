/** Who the command is in its guest, and the variables it finds there. Nothing of the host's environment is in them. */
import { trustVariables } from '../trust/variables.ts';
import type { GuestSpec } from '../engine.ts';
import type { Identity } from './plan.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The guest's user has the numbers of the host's, so that files of a share belong to whom they seem to belong; its
 * name and home are the guest's own. Root in a guest has no capability.
 */
export function identityOf(uid: number, gid: number): Identity {
  return uid === 0 ? { uid, gid, name: 'root', home: '/root' } : { uid, gid, name: 'user', home: '/home/user' };
}

/** The profile's variables win over the trust variables, these over an image's, and these over the engine's own. */
export function environmentOf(spec: Pick<GuestSpec, 'env' | 'imageEnv' | 'caCertificate' | 'terminal'>, identity: Identity): Record<string, string> {
  return {
    PATH,
    HOME: identity.home,
    USER: identity.name,
    LOGNAME: identity.name,
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    ...(spec.terminal ? { TERM: process.env['TERM'] ?? 'xterm' } : {}),
    ...spec.imageEnv,
    ...(spec.caCertificate === null ? {} : trustVariables()),
    ...spec.env,
  };
}
