/** What the host tells its helper of the guest to start. Plain JSON. */
import type { ControlPlan } from '../limits/controls.ts';
import type { RootPlan } from '../root/plan.ts';
import type { Guard } from './guards.ts';

/** What is mounted in a guest's root whatever the root has there. */
export const ROOT_POINTS = ['proc', 'dev', 'tmp'] as const;

export interface GuestPlan extends RootPlan {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The guest's stdin is a terminal that becomes its controlling terminal. */
  readonly terminal: boolean;
  readonly tools: Readonly<{ bwrap: string; setsid: string }>;
  readonly limits: ControlPlan;
  readonly without: readonly Guard[];
}
