/**
 * What starts the command in a session of its own, and ends as a shell would where it cannot: 126, 127. It is the
 * host's setsid. A root in place of the host's may lack one, so there it comes along, with its loader and its library.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { BytePath } from '../root/plan.ts';
import type { Stage } from '../root/stage.ts';
import type { GuestPlan } from './plan.ts';

/** Where a root of its own shows the host's setsid. /dev is the guest's own, whatever the root has there. */
const FOLDER = '/dev/.session';
const LIST_LIMIT_MS = 5_000;

export interface Session {
  /** Bubblewrap's options, for after all other mounts. */
  readonly options: readonly BytePath[];
  /** Variables without those that would lead the host's loader to libraries of the guest's. */
  readonly environment: Readonly<Record<string, string>>;
  /** The command's line, with what starts it. */
  readonly command: readonly string[];
}

export function sessionOf(stage: Stage, { tools, terminal, rootfs, environment, command }: GuestPlan): Session {
  // The short option is busybox's as well.
  const flags = [...(terminal ? ['-c'] : []), '--'];
  if (!rootfs) return { options: [], environment, command: [tools.setsid, ...flags, ...command] };
  const folder = stage.folder();
  const setsid = brought(tools.setsid, folder);
  const { loader = [], own = [] } = Object.groupBy(Object.entries(environment), ([name]) => (name.startsWith('LD_') ? 'loader' : 'own'));
  const env = loader.length === 0 ? [] : [...brought(join(dirname(tools.setsid), 'env'), folder), ...loader.map(([name, value]) => `${name}=${value}`)];
  return { options: ['--ro-bind', folder, FOLDER], environment: Object.fromEntries(own), command: [...setsid, ...flags, ...env, ...command] };
}

/** Copies a tool of the host with what it loads, and says how it is started there. */
function brought(tool: string, folder: string): string[] {
  const copied = (file: string): string => {
    copyFileSync(file, join(folder, basename(file)));
    return join(FOLDER, basename(file));
  };
  // Lines of `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader's with its path alone.
  const listed = execFileSync(tool, ['--version'], { env: { LD_TRACE_LOADED_OBJECTS: '1' }, encoding: 'utf8', timeout: LIST_LIMIT_MS });
  const libraries = Array.from(listed.matchAll(/=> (\/\S+) \(0x/g), ([, path]) => copied(path!));
  const [, loader] = /^\s*(\/\S+) \(0x/m.exec(listed) ?? [];
  const program = copied(tool);
  if (loader === undefined || libraries.length === 0) return [program]; // linked statically
  return [copied(loader), '--inhibit-cache', '--library-path', FOLDER, program];
}
