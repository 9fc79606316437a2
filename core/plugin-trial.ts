/**
 * Runs a plugin on exchanges that a test describes: the real hooks, with a plugin's guards and stages in
 * their order, and no network. What passes here meets sockets and streams only in a capture.
 */
import { Headers } from './headers.ts';
import { CaptureHooks } from './hooks.ts';
import type { Verdict } from './decision.ts';
import type { CompletedFlow, Connection, Flow, Side } from './flow.ts';
import { pluginContext } from './plugin-context.ts';
import type { CapturePlugin, JobView } from './plugin.ts';
import { RECORD_VERSION, type BodyRecord, type FlowRecord } from './record.ts';

export interface TrialExchange {
  readonly url: string;
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
  /** The server's answer; 200 without a body where it is left out. */
  readonly answer?: { readonly status?: number; readonly headers?: readonly (readonly [string, string])[]; readonly body?: string };
}

export interface TrialOutcome {
  /** What the plugin decided last; undefined where it had no opinion. */
  readonly verdict: Verdict | undefined;
  /** The request as it would be forwarded, the response as the client would get it; null where none came to be. */
  readonly request: { readonly method: string; readonly path: string; readonly headers: [string, string][] } | null;
  readonly response: { readonly status: number; readonly headers: [string, string][] } | null;
  /** As a sink sees it: frozen. */
  readonly record: FlowRecord;
}

export class PluginTrial {
  /** What the plugin told the user. */
  readonly warnings: string[] = [];
  readonly #hooks = new CaptureHooks((plugin, hook, error) => this.#failures.push(new Error(`${plugin} failed in ${hook}`, { cause: error })));
  readonly #failures: Error[] = [];
  #flows = 0;

  private constructor() {}

  /** Sets a plugin up; `options` are given to it as they are, unchecked. `job` replaces parts of an empty job. */
  static async of<Schema>(plugin: CapturePlugin<Schema>, options: Parameters<CapturePlugin<Schema>['setup']>[0]['options'], job: Partial<JobView> = {}): Promise<PluginTrial> {
    const trial = new PluginTrial();
    const view: JobView = { id: 'trial', directory: '/nonexistent', preset: 'trial', lists: [], passthrough: [], profile: {}, ...job };
    await plugin.setup(pluginContext(plugin.name, options, { hooks: trial.#hooks, job: view, warn: (_plugin, message) => trial.warnings.push(message) }));
    await trial.#hooks.start();
    return trial;
  }

  /** Takes one exchange through all hooks. Throws where an observing tap failed, which in a capture is only reported. */
  async exchange(exchange: TrialExchange): Promise<TrialOutcome> {
    const flow = new TrialFlow(`flow_trial_${++this.#flows}`, exchange);
    let verdict = await new Promise<Verdict | undefined>((done) => this.#hooks.connect(flow.connection, done));
    if (!ends(verdict)) verdict = (await new Promise<Verdict | undefined>((done) => this.#hooks.request(flow, done))) ?? verdict;
    if (!ends(verdict)) {
      flow.show('request', exchange.body);
      flow.response = { status: exchange.answer?.status ?? 200, statusText: '', httpVersion: '1.1', headers: Headers.from(exchange.answer?.headers ?? []) };
      await new Promise<void>((done) => this.#hooks.response(flow, done));
      flow.show('response', exchange.answer?.body);
    }
    const record = recordOf(flow, exchange, verdict);
    const completed: CompletedFlow = {
      record,
      get line() {
        return JSON.stringify(record);
      },
      rewriteBodyFile: async () => {},
      rewriteFile: async (file) => file,
      freeze: () => deepFreeze(record),
    };
    await new Promise<void>((done) => this.#hooks.complete(completed, done));
    this.#throwFailure();
    const { request, response } = flow;
    return {
      verdict,
      request: ends(verdict) ? null : { method: request.method, path: request.path, headers: request.headers.pairs() },
      response: response && { status: response.status, headers: response.headers.pairs() },
      record,
    };
  }

  async close(): Promise<void> {
    await this.#hooks.close();
    this.#throwFailure();
  }

  #throwFailure(): void {
    const [failure] = this.#failures.splice(0);
    if (failure) throw failure;
  }
}

class TrialFlow implements Flow {
  readonly id: string;
  readonly kind = 'http';
  readonly connection: Connection;
  readonly request: Flow['request'];
  response: Flow['response'] = null;
  allowance: Verdict | undefined;
  readonly annotations: Record<string, Record<string, unknown>> = {};
  readonly #observers: Record<Side, ((chunk: Uint8Array) => void)[]> = { request: [], response: [] };

  constructor(id: string, exchange: TrialExchange) {
    const url = new URL(exchange.url);
    const scheme = url.protocol === 'https:' ? 'https' : 'http';
    const name = url.hostname;
    this.id = id;
    this.connection = {
      id: `${id}_connection`,
      protocol: scheme === 'https' ? 'tls' : 'http',
      client: { address: '192.0.2.1', port: 50_000 },
      destination: { name, address: '198.18.0.1', port: Number(url.port) || (scheme === 'https' ? 443 : 80) },
      clientHello: null,
      allowance: undefined,
      annotations: {},
    };
    this.request = {
      method: exchange.method ?? 'GET',
      scheme,
      authority: url.host,
      path: url.pathname + url.search,
      httpVersion: '1.1',
      headers: Headers.from([['Host', url.host], ...(exchange.headers ?? [])]),
      get url() {
        return `${this.scheme}://${this.authority}${this.path}`;
      },
    };
  }

  observe(side: Side, chunk: (chunk: Uint8Array) => void): void {
    this.#observers[side].push(chunk);
  }

  /** What a test describes has bodies and no messages. */
  observeMessages(): void {}

  show(side: Side, body: string | undefined): void {
    if (body) for (const observer of this.#observers[side]) observer(Buffer.from(body));
  }
}

function ends(verdict: Verdict | undefined): boolean {
  return verdict !== undefined && verdict.action !== 'allow';
}

function recordOf(flow: TrialFlow, exchange: TrialExchange, verdict: Verdict | undefined): FlowRecord {
  const { request, response, connection } = flow;
  const isDenied = verdict?.action === 'deny';
  return {
    version: RECORD_VERSION,
    id: flow.id,
    job_id: 'trial',
    kind: 'http',
    timestamp: new Date().toISOString(),
    outcome: isDenied ? 'denied' : 'completed',
    error: isDenied ? { code: verdict.code ?? 'denied', message: verdict.rule } : null,
    request: { method: request.method, url: request.url, http_version: '1.1', headers: request.headers.pairs(), trailers: [], ...bodyRecord(exchange.body) },
    response: response && { status: response.status, status_text: '', http_version: '1.1', headers: response.headers.pairs(), trailers: [], informational: [], ...bodyRecord(exchange.answer?.body) },
    latency_ms: 0,
    tls_sni: null,
    http_version: '1.1',
    tls: null,
    client: { ...connection.client },
    server: { ...connection.destination },
    upstream: null,
    connection_id: connection.id,
    bytes: { up: exchange.body?.length ?? 0, down: exchange.answer?.body?.length ?? 0 },
    timing: { dns: null, connect: null, tls: null, send: null, wait: null, receive: null, total: 0 },
    policy: verdict ? { decision: verdict.action, by: verdict.by, rule: verdict.rule } : null,
    violation: isDenied ? { id: 'vio_trial', code: verdict.code ?? 'denied', rule: verdict.rule, host: verdict.host ?? connection.destination.name ?? '', by: verdict.by } : null,
    annotations: { ...connection.annotations, ...flow.annotations },
  };
}

function bodyRecord(body: string | undefined): BodyRecord {
  return { body: body ?? null, body_encoding: body === undefined ? null : 'utf8', body_size: Buffer.byteLength(body ?? ''), body_sha256: null, body_truncated: false, body_file: null, body_decoded: [] };
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  Object.freeze(value);
  Object.values(value).forEach(deepFreeze);
}
