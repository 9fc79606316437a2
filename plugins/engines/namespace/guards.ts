/**
 * The guards of the namespace engine by name. A test may take one away through the engine's constructor, to prove
 * that the probe that fails in a guest succeeds where just that guard is missing. Nothing else passes the argument.
 */
import { ROOT_GUARDS } from '../root/plan.ts';

export const GUARDS = [
  /** The guest's own network namespace. */
  'network',
  /** The plane drops UDP that is not DNS. */
  'udp',
  /** The guest's own user namespace and the loss of all capabilities. */
  'capabilities',
  /** The guest's own pid namespace. */
  'processes',
  /** The guest's own IPC namespace. */
  'ipc',
  /** Control groups and other limits of what it may use. */
  'limits',
  ...ROOT_GUARDS,
  /** Covered files under /proc. */
  'proc',
  /** Rules of the system call filter, by group. */
  'seccomp:families',
  'seccomp:raw',
  'seccomp:protocols',
  'seccomp:namespaces',
  'seccomp:mounts',
  'seccomp:terminal',
  'seccomp:tracing',
  'seccomp:kernel',
  'seccomp:keyring',
  'seccomp:uring',
] as const;

export type Guard = (typeof GUARDS)[number];
