/** The root of a namespace guest: the layout that engines share, with the kernel's file systems and fresh folders in it. */
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { layRoot } from '../root/layout.ts';
import { bytes } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';
import type { Stage } from '../root/stage.ts';
import type { GuestPlan } from './plan.ts';
import { coveredProc } from './proc.ts';

/** Bubblewrap's options. Those that seal what others mount in stand in `SEALS`. */
export async function guestRoot(stage: Stage, plan: GuestPlan): Promise<BytePath[]> {
  const fresh = (path: string, mode: number): BytePath[] => ['--bind', stage.fresh(mode), bytes(path)];
  const kernel = ['--proc', '/proc', ...(plan.without.includes('proc') ? [] : coveredProc(stage)), '--dev', '/dev', ...fresh('/dev/shm', 0o1777)];
  if (plan.rootfs) return layRoot(stage, plan, { at: '', between: [...kernel, ...fresh('/tmp', 0o1777)] });
  const folders = plan.without.includes('root') ? [] : [...fresh('/tmp', 0o1777), ...fresh('/run', 0o755), '--bind', variableData(stage), '/var'];
  return [...(await layRoot(stage, plan, { at: '', between: [...kernel, ...folders, ...fresh(plan.identity.home, 0o700)] })), '--remount-ro', '/'];
}

/** For after all mounts: bubblewrap's own tmpfs on /dev has no bounds. Devices can be written to all the same. */
export const SEALS = ['--remount-ro', '/dev'] as const;

function variableData(stage: Stage): BytePath {
  const path = stage.fresh(0o755);
  for (const name of ['tmp', 'lib', 'cache', 'log']) mkdirSync(join(path, name), { mode: 0o755 });
  chmodSync(join(path, 'tmp'), 0o1777);
  symlinkSync('/run', join(path, 'run'));
  return path;
}
