/** What the host tells its helper of the guest to start. Plain JSON. */
import type { TrustFile } from '../trust/stores.ts';
import type { Guard } from './guards.ts';

/**
 * A path below a mount, as a byte string (one character a byte): file names need not be UTF-8.
 * `bytes` and `text` of paths.ts convert.
 */
export type BytePath = string;

export interface Cover {
  readonly path: BytePath;
  readonly directory: boolean;
}

export interface PlannedMount {
  /** The real path on the host. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly directory: boolean;
  /** What the guest may not see, relative to the mount. */
  readonly masks: readonly Cover[];
  /** Unix sockets and FIFOs that were found, relative to the mount. */
  readonly sockets: readonly BytePath[];
}

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
}

export interface GuestPlan {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly identity: Identity;
  readonly mounts: readonly PlannedMount[];
  /** The trust stores that replace the host's; none where nothing is decrypted. */
  readonly trust: readonly TrustFile[];
  readonly network: boolean;
  /** The guest's stdin is a terminal that becomes its controlling terminal. */
  readonly terminal: boolean;
  readonly tools: Readonly<{ bwrap: string; setsid: string }>;
  /** Guards left out; empty but in tests. */
  readonly without: readonly Guard[];
}
