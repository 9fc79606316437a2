/** Which stage a connection proceeds to by its first bytes. */
import type { Verdict } from '../decision.ts';
import type { FirstBytes } from '../peek/first-bytes.ts';
import { RawRelay } from '../tcp/raw-relay.ts';
import { HttpService, linkFor } from './http-service.ts';
import { Passthrough } from './passthrough.ts';
import type { Session, Stage } from './stage.ts';
import { TlsTermination } from './tls-termination.ts';

/** First bytes by which a client says what it speaks. */
export type Spoken = Exclude<FirstBytes, { kind: 'none' | 'broken-tls' }>;

/** One line for each kind. */
export function stageFor(session: Session, first: Spoken, verdict: Verdict | undefined): Stage {
  const { connection, stream } = session;
  switch (first.kind) {
    case 'tls':
      return verdict?.action === 'passthrough' ? new Passthrough(session) : new TlsTermination(session);
    case 'http1':
    case 'http2':
      if (!connection.verdict) connection.link ??= linkFor(session, null, first.kind === 'http2');
      return new HttpService(session, stream, first.kind === 'http2');
    case 'raw':
      return new RawRelay(session, first.said ? { said: first.said } : {});
  }
}
