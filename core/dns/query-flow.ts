/** One query of a guest as a flow: it ends once, with its record and then its response. */
import type { Verdict } from '../decision.ts';
import type { MentuError } from '../errors.ts';
import type { Endpoint } from '../flow.ts';
import { CapturedConnection } from '../flows/captured-connection.ts';
import { readyPart } from '../flows/record-part.ts';
import type { Outcome } from '../record.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import { dnsRecord, encodeResponse, type Query, type Response } from './message.ts';
import type { NameServer } from '../names/name-server.ts';

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

  /** Ends the flow, if it is not over. */
  end({ response, outcome, error, server = null, ms = null }: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    const { query, connection } = this;
    const { transport } = this.#asker;
    const encoded = response && query ? encodeResponse(query, response, transport) : null;
    if (this.#recorder.captureSettings) {
      const part = readyPart({ dns: dnsRecord(transport, query, response, encoded?.truncated ?? false) });
      this.#recorder.completeConnection(connection, {
        kind: 'dns',
        outcome,
        error,
        bytes: { up: this.#size, down: encoded?.bytes.length ?? 0 },
        upstream: server && { ...server, http_version: null, reused: false, tls: null },
        timing: { dns: ms },
        parts: [part],
      });
    }
    this.#done(encoded?.bytes ?? null);
  }

  /** Ends it without an answer. */
  abort(error: MentuError): void {
    this.end({ response: null, outcome: 'aborted', error });
  }
}
