/** What a profile or `mentu.yaml` says of the guest's limits, its end, its ports and what it is made of. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MentuError } from '../../core/index.ts';
import type { PortForward } from '../../plugins/engines/engine.ts';
import type { ConfigFile } from './config-schema.ts';
import { DURATION_FORM, parseDuration } from './duration.ts';
import { readPortForwards } from './port-forwards.ts';
import type { Profile } from './profile-schema.ts';
import { parseRestartPolicy, type RestartPolicy } from './restart-policy.ts';
import type { Path, SourceDocument } from './source-document.ts';
import { reasonOf } from './source-file.ts';
import { dotted } from './validation.ts';

export interface GuestPart {
  readonly cpus?: number | undefined;
  readonly memoryMiB?: number | undefined;
  /** Milliseconds; 0 is none. */
  readonly timeout?: number | undefined;
  readonly restartPolicy?: RestartPolicy | undefined;
  readonly ports: readonly PortForward[];
  /** Absolute paths. */
  readonly rootfs?: string | undefined;
  readonly kernel?: string | undefined;
}

/** `value` has the shape of its schema. */
export function readGuestPart(value: Profile | ConfigFile, document: SourceDocument): GuestPart {
  return {
    cpus: value.cpus,
    memoryMiB: value.memoryMiB,
    timeout: readTimeout(value.timeout, document, ['timeout']),
    restartPolicy: value.restartPolicy === undefined ? undefined : parseRestartPolicy(value.restartPolicy, document.placeOf(['restartPolicy'])),
    ports: readPortForwards(value.ports ?? [], (index) => document.placeOf(['ports', index])),
    rootfs: readPath(value.rootfs, 'rootfs', document),
    kernel: readPath(value.kernel, 'kernel', document),
  };
}

/** Milliseconds; 0 is none. */
export function readTimeout(value: number | string | undefined, document: SourceDocument, path: Path): number | undefined {
  if (value === undefined) return undefined;
  const time = parseDuration(value);
  if (time !== undefined) return time;
  throw new MentuError('settings_wrong_value', { where: dotted(path), expected: DURATION_FORM, actual: JSON.stringify(value), hint: 'Units: d, h, m, s and ms; 0 is no limit.' }, { place: document.placeOf(path) });
}

/** A root is a folder or an archive, a kernel is a file. */
function readPath(value: string | undefined, key: 'rootfs' | 'kernel', document: SourceDocument): string | undefined {
  if (value === undefined) return undefined;
  const path = resolve(dirname(document.path), value);
  const refuse = (reason: string, cause?: unknown) => new MentuError('file_unreadable', { what: key, file: value, reason }, { cause, place: document.placeOf([key]) });
  let stat;
  try {
    stat = statSync(path);
  } catch (error) {
    throw refuse(reasonOf(error), error);
  }
  if (!stat.isFile() && !(key === 'rootfs' && stat.isDirectory())) throw refuse(key === 'rootfs' ? 'it is neither a folder nor an archive' : 'it is not a regular file');
  return path;
}
