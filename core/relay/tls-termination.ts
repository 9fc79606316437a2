/**
 * TLS that is decrypted. The upstream's handshake comes first, so that the client is offered what the upstream
 * speaks; then the client's, with a certificate of the job.
 */
import type { Duplex } from 'node:stream';
import type { SecureContext, TLSSocket } from 'node:tls';
import { MentuError } from '../errors.ts';
import { watchDeparture } from '../peek/departure.ts';
import type { Outcome } from '../record.ts';
import { clientAuthRefusal } from '../tls/client-auth.ts';
import { clientTlsError, shownCertificate, terminateTls, uncertified } from '../tls/terminator.ts';
import { hostPatternText } from '../names/pattern.ts';
import { asMentuError } from '../upstream/link.ts';
import { isHttp, mirrored, spoken } from './alpn-memory.ts';
import { CertificateRejection } from './certificate-rejection.ts';
import { HttpService, linkFor } from './http-service.ts';
import type { Session, Stage } from './stage.ts';

export class TlsTermination implements Stage {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  begin(): void {
    const session = this.#session;
    const { connection, services } = session;
    const hello = connection.clientHello!;
    const offered = spoken(hello.alpn);
    // We answer by ourselves: all that the client offered and we speak.
    if (connection.verdict) return this.#terminate(offered);
    const { alpnMemory } = services;
    const link = linkFor(session, { serverName: hello.sni, hello, alpn: offered }, false);
    connection.link = link;
    const { port } = connection.destination;
    const known = alpnMemory.recall(connection.host, port, hello.sni, offered);
    if (known !== undefined) return this.#terminate(mirrored(known, offered));
    const release = watchDeparture(session.stream, () => session.fail(new MentuError('client_aborted')));
    link.open().then(
      ({ alpn }) => {
        alpnMemory.learn(connection.host, port, hello.sni, offered, alpn);
        if (isHttp(alpn)) link.engage();
        release();
        this.#terminate(mirrored(alpn, offered));
      },
      (error: unknown) => {
        connection.failure = asMentuError(error, connection.host);
        release();
        this.#terminate(offered);
      },
    );
  }

  end(_outcome: Outcome, error: MentuError): void {
    this.#session.over(error);
  }

  #terminate(alpn: readonly string[]): void {
    const session = this.#session;
    if (session.isOver) return;
    decryptClient(session, session.stream, alpn, (error, tls) => {
      if (error) return lost(session, error);
      if (isHttp(tls.alpnProtocol)) session.proceed(new HttpService(session, tls, tls.alpnProtocol === 'h2'));
      else session.decrypted(tls);
    });
  }
}

/** The client's handshake failed. One that was to be denied is denied all the same. */
function lost(session: Session, error: MentuError): void {
  const { verdict } = session.connection;
  if (verdict?.action === 'deny') session.deny(verdict);
  else session.fail(error);
}

type Decrypted = [error: MentuError, tls: TLSSocket | null] | [error: null, tls: TLSSocket];

/** Ends the client's TLS on a stream where its hello stands, and notes on the connection what came of it. */
export function decryptClient({ connection, services }: Session, stream: Duplex, alpn: readonly string[], done: (...outcome: Decrypted) => void): void {
  const { sni } = connection.clientHello!;
  const { port } = connection.destination;
  const host = sni ?? connection.host;
  const rule = services.clientAuth.for(connection.host, port, sni);
  let context: SecureContext;
  try {
    context = services.authority.contextFor(host, rule);
  } catch (cause) {
    return done(uncertified(cause), null);
  }
  const options = { context, alpn, host, pattern: hostPatternText(host, port), clientAuth: rule, keyLog: services.keyLog };
  const rejection = new CertificateRejection(connection, services.pinnedNames, options);
  const terminated = (error: MentuError | null, tls: TLSSocket): void => {
    if (error) return done(rejection.judge(error), tls);
    const certificate = rule && shownCertificate(tls, rule);
    connection.secured(tls, certificate);
    const refusal = rule && clientAuthRefusal(rule, certificate, host);
    if (refusal) {
      connection.failure = refusal;
      connection.isClientRefused = true;
    }
    tls.once('error', (late: Error) => {
      if (connection.flows === 0) connection.failure = rejection.judge(clientTlsError(late, options));
    });
    rejection.watch(tls);
    done(null, tls);
  };
  try {
    terminateTls(stream, options, terminated);
  } catch (cause) {
    // What a client has said must not end more than its own connection.
    done(new MentuError('client_tls_failed', { reason: cause instanceof Error ? cause.message : String(cause) }, { cause }), null);
  }
}
