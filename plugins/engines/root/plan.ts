/** How a guest's root is put together, as the host tells its helper. Plain JSON. */
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

/** What a test may leave out of a root, to prove that a probe would succeed without it. */
export const ROOT_GUARDS = [
  /** A minimal root: without it, the host's root is bound. */
  'root',
  /** A scrubbed /etc. */
  'etc',
  /** Read-only mounts. */
  'read-only',
  /** Unix sockets and FIFOs inside shares cannot be reached. */
  'sockets',
  /** Shares as overlays: without it, as where the kernel has none, the sockets in a share are covered one by one. */
  'overlays',
  /** Masked names and hidden paths. */
  'masks',
  /** An overlay between the guest and the folder that is its root. */
  'rootfs',
] as const;

export type RootGuard = (typeof ROOT_GUARDS)[number];

/** A file's content, or where a link leads. */
export type FileContent = { readonly text: string } | { readonly base64: string } | { readonly link: string };
export type Content = FileContent | 'folder';

export interface TrustFile {
  /** Absolute path in the guest. */
  readonly path: string;
  readonly content: FileContent;
}

export interface LayerFile {
  /** Relative to the folder that the layer lies over. */
  readonly path: string;
  readonly content: Content;
}

/** A folder of the host as the guest's root. What is laid over it is settled: the one who lays it follows no link. */
export interface RootfsPlan {
  /** The folder's real path. */
  readonly folder: string;
  /** Files of ours, covers of what the guest may not see, and what mounts are mounted on. */
  readonly files: readonly LayerFile[];
  /** Folders of the guest that are empty at the start, for those of the root belong to another user. A guest that makes its overlay itself makes these as well. */
  readonly fresh: readonly string[];
  /**
   * True: the guest writes to an overlay that ends with it. False: the tree is read-only, for an engine whose guest
   * makes such an overlay itself.
   */
  readonly writable: boolean;
}

export interface RootPlan {
  readonly identity: Identity;
  readonly mounts: readonly PlannedMount[];
  /** The root in place of the host's; its trust stores are among its files, and the mounts' destinations are where its links lead. */
  readonly rootfs?: RootfsPlan | null | undefined;
  /** The trust stores that replace the host's; none where nothing is decrypted. */
  readonly trust: readonly TrustFile[];
  readonly network: boolean;
  /** Guards left out; empty but in tests. Names that are not a root's are another's. */
  readonly without: readonly string[];
}
