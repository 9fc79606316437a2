/** Plans a guest's root: the host's /usr with an /etc of its own, or a folder in its place. */
import type { GuestSpec } from '../engine.ts';
import { trustFiles } from '../trust/stores.ts';
import { planMounts } from './mounts.ts';
import type { Identity, RootPlan } from './plan.ts';

export interface RootNeeds<Without> {
  readonly identity: Identity;
  readonly cwd: string;
  /** For a root of its own: names in it that the engine mounts something on, and whether it is to be writable already. */
  readonly points: readonly string[];
  readonly writable: boolean;
  readonly without: readonly Without[];
}

export async function planRoot<Without extends string>(spec: GuestSpec, { identity, cwd, points, writable, without }: RootNeeds<Without>): Promise<RootPlan & { readonly without: readonly Without[] }> {
  const shared = { identity, network: spec.network === 'plane', without };
  const mounts = await planMounts(spec);
  if (spec.rootfs === null) return { ...shared, mounts, rootfs: null, trust: spec.caCertificate === null ? [] : trustFiles(spec.caCertificate) };
  const { planRootfs } = await import('../rootfs/planning.ts'); // most guests have none
  return { ...shared, trust: [], ...(await planRootfs(spec.rootfs, spec, { identity, cwd, mounts, points, writable, without })) };
}
