/**
 * Notices that a client does not want our certificate. Most say so by an alert; some that pin a certificate complete the
 * handshake, compare, and leave without a word, which looks like a client that only wanted to shake hands: that is taken
 * for a refusal only where the decision expects one (`mayBePinned`).
 */
import type { TLSSocket } from 'node:tls';
import { MentuError } from '../errors.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import type { TerminatorOptions } from '../tls/terminator.ts';
import type { PinnedNames } from './pinned-names.ts';

/** Milliseconds from the handshake in which a client that compares has made up its mind. */
const AT_ONCE = 1_000;

export class CertificateRejection {
  readonly #connection: CapturedConnection;
  readonly #names: PinnedNames;
  readonly #options: Pick<TerminatorOptions, 'host' | 'pattern'>;

  constructor(connection: CapturedConnection, names: PinnedNames, options: Pick<TerminatorOptions, 'host' | 'pattern'>) {
    this.#connection = connection;
    this.#names = names;
    this.#options = options;
  }

  /** What a failure of the client's TLS means; a refusal is remembered. */
  judge(error: MentuError): MentuError {
    const told = error.code === 'client_aborted' && this.#mayBePinned ? this.#silent('it left in the midst of the handshake') : error;
    if (told.code === 'client_rejected_certificate') this.#names.learn(this.#connection);
    return told;
  }

  /** Watches a client that has accepted the handshake. To be called before anything else waits for the end of the stream. */
  watch(tls: TLSSocket): void {
    if (!this.#mayBePinned) return;
    const start = performance.now();
    const left = (): void => {
      if (tls.bytesRead > 0 || this.#connection.failure || performance.now() - start > AT_ONCE) return;
      this.#connection.failure = this.judge(this.#silent('it left after the handshake and asked nothing'));
    };
    tls.once('end', left);
    tls.once('close', left);
  }

  get #mayBePinned(): boolean {
    const { allowance } = this.#connection;
    return allowance?.action === 'allow' && allowance.mayBePinned === true;
  }

  #silent(reason: string): MentuError {
    return new MentuError('client_rejected_certificate', { ...this.#options, reason: `${reason}, as clients do that pin another` });
  }
}
