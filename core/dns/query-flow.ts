/** One query of a guest as a flow: it ends once, with its record and then its response. */
import type { Verdict } from '../decision.ts';
import { MentuError } from '../errors.ts';
import type { Endpoint } from '../flow.ts';
import { CapturedConnection } from '../flows/captured-connection.ts';
import { readyPart } from '../flows/record-part.ts';
import type { DnsRecord } from '../record-parts.ts';
import type { Outcome } from '../record.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { NameServer } from '../names/name-server.ts';
import { dnsRecord, emptyResponse, encodeResponse, type Encoded, type Query, type Response } from './message.ts';
import { CODE } from './numbers.ts';

export const DNS_PORT = 53;

/** Who asked, and how. */
export interface Asker {
  readonly transport: 'udp' | 'tcp';
  readonly client: Endpoint;
  /** To which address; null where that is not known. */
  readonly address: string | null;
}

/** How a query ended. */
export interface Ending {
  /** Null where nothing is answered. */
  readonly response: Response | null;
  readonly outcome: Outcome;
  readonly error: MentuError | null;
  /** Who answered on the host; null where nobody was asked. */
  readonly server?: NameServer | null;
  /** Milliseconds of the look-up. */
  readonly ms?: number | null;
}

interface WrittenEnding extends Ending {
  readonly encoded: Encoded | null;
  /** Null where nothing is recorded. */
  readonly dns: DnsRecord | null;
}

export class QueryFlow {
  readonly connection: CapturedConnection;
  readonly query: Query | null;
  readonly #recorder: FlowRecorder;
  readonly #asker: Asker;
  readonly #size: number;
  readonly #done: (response: Buffer | null) => void;
  #ended = false;

  /** @param query null where the message is none. @param done is called once, with what the client gets. */
  constructor(recorder: FlowRecorder, id: string, query: Query | null, size: number, asker: Asker, done: (response: Buffer | null) => void) {
    this.query = query;
    this.#recorder = recorder;
    this.#asker = asker;
    this.#size = size;
    this.#done = done;
    this.connection = new CapturedConnection(id, asker.client, { name: query?.question ? query.question.name || '.' : null, address: asker.address, port: DNS_PORT });
    this.connection.protocol = 'dns';
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What was decided of its name. */
  set verdict(verdict: Verdict | undefined) {
    this.connection.verdict = verdict;
  }

  /** Ends the flow, if it is not over. A response that cannot be written is SERVFAIL. */
  end(ending: Ending): void {
    if (this.#ended) return;
    const { encoded, dns, outcome, error, server = null, ms = null } = this.#written(ending);
    this.#ended = true;
    if (dns) {
      this.#recorder.completeConnection(this.connection, {
        kind: 'dns',
        outcome,
        error,
        bytes: { up: this.#size, down: encoded?.bytes.length ?? 0 },
        upstream: server && { ...server, http_version: null, reused: false, tls: null },
        timing: { dns: ms },
        parts: [readyPart({ dns })],
      });
    }
    this.#done(encoded?.bytes ?? null);
  }

  /** Ends it without an answer. */
  abort(error: MentuError): void {
    this.end({ response: null, outcome: 'aborted', error });
  }

  #written(ending: Ending): WrittenEnding {
    try {
      return { ...ending, ...this.#write(ending.response) };
    } catch (cause) {
      const error = new MentuError('dns_lookup_failed', { host: this.connection.host, reason: `its answer cannot be passed on: ${(cause as Error).message}` }, { cause });
      return { ...ending, ...this.#write(emptyResponse(CODE.SERVFAIL)), outcome: 'failed', error };
    }
  }

  /** The response in bytes and as the record shows it. */
  #write(response: Response | null): Pick<WrittenEnding, 'encoded' | 'dns'> {
    const { query } = this;
    const { transport } = this.#asker;
    const encoded = response && query ? encodeResponse(query, response, transport) : null;
    return { encoded, dns: this.#recorder.captureSettings && dnsRecord(transport, query, response, encoded?.truncated ?? false) };
  }
}
