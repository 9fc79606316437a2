/**
 * The folders and files of the host that a step gets, as they were when the run began. A guest that can write a folder
 * could put a link in the place of what a later step mounts, and so lead it anywhere on the host.
 */
import { realpathSync } from 'node:fs';
import { MentuError } from '../../core/index.ts';
import { reasonOf } from '../settings/source-file.ts';
import type { JobSettings } from '../settings/job-settings.ts';

/** The same settings with paths that pass no link. */
export function anchored(settings: JobSettings): JobSettings {
  return {
    ...settings,
    workspace: realpathSync(settings.workspace),
    mounts: settings.mounts.map((mount) => ({ ...mount, source: realpathSync(mount.source) })),
    rootfs: settings.rootfs && realpathSync(settings.rootfs),
    kernel: settings.kernel && realpathSync(settings.kernel),
  };
}

/** Throws `run_path_moved` where one of them leads elsewhere by now. */
export function refuseMoved({ workspace, mounts, rootfs, kernel }: JobSettings): void {
  for (const path of [workspace, ...mounts.map(({ source }) => source), rootfs, kernel]) {
    if (path === null) continue;
    let real;
    try {
      real = realpathSync(path);
    } catch (cause) {
      throw new MentuError('run_path_moved', { path, how: `cannot be reached any more (${reasonOf(cause)})` }, { cause });
    }
    if (real !== path) throw new MentuError('run_path_moved', { path, how: `leads to ${real} by now` });
  }
}
