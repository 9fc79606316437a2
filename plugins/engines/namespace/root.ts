/** The root of a namespace guest: the layout that engines share, with the kernel's file systems and fresh folders in it. */
import { layRoot } from '../root/layout.ts';
import { bytes } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';
import type { Stage } from '../root/stage.ts';
import type { GuestPlan } from './plan.ts';
import { coveredProc } from './proc.ts';

const FRESH_FOLDERS = [
  ...['--perms', '1777', '--tmpfs', '/tmp', '--perms', '0755', '--tmpfs', '/run', '--perms', '0755', '--tmpfs', '/var'],
  ...['--perms', '1777', '--dir', '/var/tmp', '--dir', '/var/lib', '--dir', '/var/cache', '--dir', '/var/log', '--symlink', '/run', '/var/run'],
];

/** Bubblewrap's options. */
export async function guestRoot(stage: Stage, plan: GuestPlan): Promise<BytePath[]> {
  const kernel = ['--proc', '/proc', ...(plan.without.includes('proc') ? [] : coveredProc(stage)), '--dev', '/dev'];
  if (plan.rootfs) return layRoot(stage, plan, { at: '', between: [...kernel, '--perms', '1777', '--tmpfs', '/tmp'] });
  const between = [
    ...kernel,
    ...(plan.without.includes('root') ? [] : FRESH_FOLDERS),
    ...['--perms', '0700', '--tmpfs', bytes(plan.identity.home)],
  ];
  return [...(await layRoot(stage, plan, { at: '', between })), '--remount-ro', '/'];
}
