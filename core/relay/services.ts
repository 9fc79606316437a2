/** What every session of a capture uses. */
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { CertificateAuthority } from '../tls/authority.ts';
import type { ClientAuth } from '../tls/client-auth.ts';
import type { KeyLog } from '../tls/key-log.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { UpstreamDialler } from '../upstream/dialler.ts';
import type { AlpnMemory } from './alpn-memory.ts';
import type { PinnedNames } from './pinned-names.ts';

export interface SessionServices {
  readonly recorder: FlowRecorder;
  readonly authority: CertificateAuthority;
  readonly dialler: UpstreamDialler;
  readonly upstreamTls: UpstreamTls;
  readonly clientAuth: ClientAuth;
  readonly alpnMemory: AlpnMemory;
  readonly pinnedNames: PinnedNames;
  /** Takes the secrets of handshakes; null where nobody asked for them. */
  readonly keyLog: KeyLog | null;
  /** A connection within another is one of its own. */
  nextConnectionId(): string;
}
