/**
 * The server of a machine's files: virtiofsd, in a root where the guest's lies under one folder. What the guest may
 * not see, write or reach is so by mounts of the host, whatever the guest's kernel does.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import type { LibC } from '../libc.ts';
import { layRoot } from '../root/layout.ts';
import { bytes } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';
import { systemPrograms } from '../root/programs.ts';
import type { Stage } from '../root/stage.ts';
import { SHARE, SHARED_MOUNTS, SHARED_ROOT } from './mount-table.ts';
import { FIRST_FD, startConfined } from './confinement.ts';
import type { MachinePlan } from './plan.ts';

/** Where the guest's kernel mounts file systems of its own. */
export const MOUNT_POINTS = ['/dev', '/proc', '/sys', '/tmp', '/run', '/var'] as const;

export interface FileServer {
  readonly process: ChildProcess;
  /** The folder on the stage that holds the server's socket, and the socket's name in it. */
  readonly sockets: string;
  readonly socket: string;
}

export async function serveFiles(libc: LibC, stage: Stage, plan: MachinePlan): Promise<FileServer> {
  const sockets = stage.folder();
  const socket = 'files';
  const listener = libc.unixListener(join(sockets, socket));
  const { tools } = plan;
  const root = await layRoot(stage, plan, plan.rootfs ? { at: SHARED_ROOT, mountsAt: SHARED_MOUNTS, between: [] } : { at: SHARE, between: mountPoints(plan) });
  const options: BytePath[] = [
    ...['--uid', '0', '--gid', '0', '--cap-add', 'CAP_SYS_CHROOT'],
    ...systemPrograms(),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--dir', '/run'],
    ...['--perms', '0755', '--dir', SHARE],
    ...root,
    ...['--remount-ro', '/'],
  ];
  const process = startConfined({
    bwrap: tools.bwrap,
    without: [],
    stage,
    options,
    command: [
      tools.virtiofsd,
      `--fd=${FIRST_FD}`,
      ...['-o', `source=${SHARE}`, '-o', 'sandbox=chroot', '-o', 'announce_submounts', '-o', 'cache=auto'],
      ...errorsAlone(tools.virtiofsd),
      ...['-o', 'modcaps=-chown:-dac_override:-dac_read_search:-fowner:-fsetid:-setgid:-setuid:-mknod:-setfcap'],
    ],
    handed: [listener],
  });
  closeSync(listener);
  return { process, sockets, socket };
}

/** The server that came with QEMU up to version 7, and the one that has taken its place, differ in nothing else. */
function errorsAlone(virtiofsd: string): string[] {
  return virtiofsd.includes('/qemu/') ? ['-o', 'log_level=err'] : ['--log-level=error'];
}

function mountPoints({ identity, without }: MachinePlan): BytePath[] {
  const paths = [...(without.includes('root') ? ['/dev', '/proc', '/sys', '/run'] : MOUNT_POINTS), bytes(identity.home)];
  return paths.flatMap((path) => ['--dir', `${SHARE}${path}`]);
}
