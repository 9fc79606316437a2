/**
 * The guards of the QEMU engine by name. A test may take one away through the engine's constructor, to prove that the
 * probe that fails in a guest succeeds where just that guard is missing. Nothing else passes the argument.
 */
import { ROOT_GUARDS } from '../root/plan.ts';

export const GUARDS = [
  /** The machine's network ends in the plane: without it, QEMU's user networking in the host's network. */
  'network',
  /** The plane drops UDP that is not DNS. */
  'udp',
  ...ROOT_GUARDS,
  /** QEMU's monitor is nowhere: without it, one listens on a port of the guest. */
  'monitor',
  /** QEMU is in namespaces of its own, without capabilities and with its system call filter. */
  'confinement',
] as const;

export type Guard = (typeof GUARDS)[number];
