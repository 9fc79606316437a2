/** The root that a profile names for its guest, opened: a folder, or an image with what it says of its command. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { mentuHome } from '../../plugins/cir-sink/location.ts';
import type { Mount } from '../../plugins/engines/engine.ts';
import { note } from '../output.ts';
import type { JobSettings } from '../settings/job-settings.ts';

export interface GuestRoot {
  /** The job's, with the image's command where nothing else names one. */
  readonly settings: JobSettings;
  /** Null: the host's /usr. */
  readonly folder: string | null;
  readonly env: Readonly<Record<string, string>>;
  /** Where the command starts if no mount shows the working directory; undefined leaves it to the engine. */
  readonly cwd: string | undefined;
  /** Milliseconds that the opening took; nothing without a root. */
  readonly boot: Readonly<Record<string, number>>;
}

/** Images are unpacked once, in `$MENTU_HOME/rootfs`. */
export async function openGuestRoot(settings: JobSettings, hidden: { paths: readonly string[]; names: readonly string[] }): Promise<GuestRoot> {
  const { rootfs: path } = settings;
  if (path === null) return { settings, folder: null, env: {}, cwd: undefined, boot: {} };
  const started = performance.now();
  const { openRootfs } = await import('../../plugins/engines/rootfs/image.ts'); // most jobs have none
  const { folder, image } = await openRootfs(path, join(mentuHome(), 'rootfs'), {
    hiddenPaths: hidden.paths,
    maskedNames: hidden.names,
    unpacking: () => note(`mentu: unpacking ${path}, once`),
  });
  const boot = { rootfs: performance.now() - started };
  if (image === null) return { settings, folder, env: {}, cwd: '/', boot };
  const [command, ...rest] = [...image.entrypoint, ...(settings.args.length > 0 ? settings.args : image.command)];
  const own = settings.command === null && command !== undefined ? { command, args: rest } : {};
  return { settings: { ...settings, ...own }, folder, env: image.env, cwd: reachable(image.workingDir, settings.mounts), boot };
}

/** Where a mount covers the image's folder and has no such one, the command starts in the mount. */
function reachable(workingDir: string, mounts: readonly Mount[]): string {
  const [covering] = mounts.filter(({ destination }) => `${workingDir}/`.startsWith(`${destination}/`)).toSorted((a, b) => b.destination.length - a.destination.length);
  return covering === undefined || existsSync(join(covering.source, workingDir.slice(covering.destination.length))) ? workingDir : covering.destination;
}
