/**
 * Finds out whether an upstream connection failed for want of a client's certificate. Up to TLS 1.2 the handshake fails;
 * in TLS 1.3 the server's verdict comes after it (RFC 8446, section 4.4.2), when a request may be under way already. So
 * the exchanges of a new connection are watched until the first answer has come.
 */
import { MentuError } from '../errors.ts';
import type { UpstreamEvents } from '../exchange.ts';
import type { ClientIdentity } from '../tls/client-identity.ts';
import type { CertificateRequest } from '../tls/certificate-inquiry.ts';
import type { SecuredUpstream } from '../tls/upstream-tls.ts';
import { refusedIdentity, upstreamAlert } from '../tls/upstream-alert.ts';

/** Names of CAs that a message lists. */
const LISTED = 5;

const RESETS: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** Asks the server again, on a connection of its own; null where it wants none, or is not to be asked. */
export type Inquiry = () => Promise<CertificateRequest | null>;

export class CertificateDemand {
  readonly #host: string;
  readonly #inquire: Inquiry;
  #asked: Promise<CertificateRequest | null> | null = null;

  constructor(host: string, inquire: Inquiry) {
    this.#host = host;
    this.#inquire = inquire;
  }

  /** A failed handshake's error, or what it means. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof MentuError) || error.code !== 'upstream_tls_failed' || !(error.cause instanceof Error)) return error;
    return upstreamAlert(error.cause, false) === 'demand' ? ((await this.#missing()) ?? error) : error;
  }

  /** Watches a connection whose verdict is still to come; null where there is none to come. */
  watch({ tls, identity, record }: SecuredUpstream): UnprovenConnection | null {
    if (record.version !== 'TLSv1.3' || tls.isSessionReused()) return null;
    const unproven = new UnprovenConnection((failure) => this.#verdict(failure, identity));
    tls.on('error', (error: Error) => (unproven.failure ??= error));
    return unproven;
  }

  async #verdict(failure: Error, identity: ClientIdentity | null): Promise<MentuError | null> {
    const alert = upstreamAlert(failure, identity !== null);
    // A reset may overtake the alert that says why.
    const isReset = RESETS.has((failure as NodeJS.ErrnoException).code ?? '');
    if (!identity) return alert === 'demand' || isReset ? this.#missing() : null;
    const isRefused = alert === 'refusal' || (isReset && (await this.#ask()) !== null);
    return isRefused ? refusedIdentity(failure, this.#host, identity) : null;
  }

  #ask(): Promise<CertificateRequest | null> {
    return (this.#asked ??= this.#inquire().catch(() => null));
  }

  async #missing(): Promise<MentuError | null> {
    const request = await this.#ask();
    return request && new MentuError('client_certificate_required', { host: this.#host, authorities: listed(request.authorities) });
  }
}

export class UnprovenConnection {
  /** What ended the connection. */
  failure: Error | null = null;
  readonly #judge: (failure: Error) => Promise<MentuError | null>;
  #proven = false;

  constructor(judge: (failure: Error) => Promise<MentuError | null>) {
    this.#judge = judge;
  }

  get isProven(): boolean {
    return this.#proven;
  }

  /** The server has answered: it takes us as we are. */
  prove(): void {
    this.#proven = true;
  }

  /** The server's verdict on our certificate, or on its absence, where that ended the connection. */
  async verdict(): Promise<MentuError | null> {
    return this.failure === null || this.#proven ? null : this.#judge(this.failure);
  }

  /** The events of an exchange, whose failure is told with its reason. */
  watched(events: UpstreamEvents): UpstreamEvents {
    return new WatchedEvents(this, events);
  }
}

class WatchedEvents implements UpstreamEvents {
  readonly #connection: UnprovenConnection;
  readonly #events: UpstreamEvents;

  constructor(connection: UnprovenConnection, events: UpstreamEvents) {
    this.#connection = connection;
    this.#events = events;
  }

  onInform: UpstreamEvents['onInform'] = (head) => {
    this.#connection.prove();
    this.#events.onInform(head);
  };

  onResponse: UpstreamEvents['onResponse'] = (head) => {
    this.#connection.prove();
    this.#events.onResponse(head);
  };

  onUpgrade: UpstreamEvents['onUpgrade'] = (head, connection) => {
    this.#connection.prove();
    this.#events.onUpgrade(head, connection);
  };

  onUpstreamError: UpstreamEvents['onUpstreamError'] = (error, untouched, code) => {
    if (!untouched || this.#connection.failure === null || this.#connection.isProven) return this.#events.onUpstreamError(error, untouched, code);
    void this.#connection.verdict().then((verdict) => this.#events.onUpstreamError(verdict ?? error, untouched, verdict ? undefined : code));
  };

  onResponseData: UpstreamEvents['onResponseData'] = (chunk) => this.#events.onResponseData(chunk);
  onResponseEnd: UpstreamEvents['onResponseEnd'] = (trailers) => this.#events.onResponseEnd(trailers);
  onUpstreamDrain: UpstreamEvents['onUpstreamDrain'] = () => this.#events.onUpstreamDrain();
}

function listed(authorities: readonly string[]): string {
  if (authorities.length === 0) return 'it names no CA that it takes them from';
  const more = authorities.length - LISTED;
  return `it takes those of ${authorities.slice(0, LISTED).join(' or ')}${more > 0 ? ` and ${more} more` : ''}`;
}
