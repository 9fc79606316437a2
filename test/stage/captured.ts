/** A capture with its explicit proxy on loopback, a sink that keeps the records, and ways for clients to reach it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { Capture, CertificateAuthority, Dialler, type ClientAuthRule, type ClientCertificateRule, type KeyLog } from '../../core/capture.ts';
import type { FlowRecord, MentuError, PluginHooks } from '../../core/index.ts';
import { originCA } from './origin.ts';
import { Wire, soon, until } from './wire.ts';

export interface StageOptions {
  /** Lets a test tap the hooks, under the plugin name `test`. */
  readonly tap?: (hooks: PluginHooks) => void;
  readonly bodies?: { readonly keep?: 'whole' | 'none'; readonly limit?: number; readonly quota?: number };
  readonly maxConnections?: number;
  /** Nobody takes records: none are made. */
  readonly isUnrecorded?: boolean;
  readonly keyLog?: KeyLog;
  /** PEM; the CA of the test origins where it is left out. */
  readonly trustedCAs?: readonly string[];
  readonly clientCertificates?: readonly ClientCertificateRule[];
  readonly clientAuth?: readonly ClientAuthRule[];
}

/** Where names lead: an origin, or `address:port`. */
export type StageHosts = Readonly<Record<string, { readonly port: number } | string>>;

export class Stage implements AsyncDisposable {
  readonly capture: Capture;
  readonly records: FlowRecord[] = [];
  /** Failures of observers, as `plugin hook: message`. */
  readonly failures: string[] = [];
  readonly warnings: MentuError[] = [];
  /** The clients' ports of all tunnels that stood. */
  readonly tunnels: number[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'mentu-stage-'));
  readonly #server: Server = createServer();
  readonly #clients = new Set<Socket>();
  #closed = false;

  private constructor(hosts: Readonly<Record<string, string>>, options: StageOptions) {
    this.capture = new Capture({
      job: { id: 'job_stage', directory: this.directory },
      authority: CertificateAuthority.create('stage'),
      dialler: new Dialler({ hosts }),
      trustedCAs: options.trustedCAs ?? [originCA.certificate],
      clientCertificates: options.clientCertificates,
      clientAuth: options.clientAuth,
      ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
      keyLog: options.keyLog ?? null,
      bodies: { keep: 'whole', limit: 1024 * 1024, quota: 1024 * 1024 * 1024, ...options.bodies },
      onPluginFailure: (plugin, hook, error) => this.failures.push(`${plugin} ${hook}: ${error instanceof Error ? error.message : String(error)}`),
      warn: (error) => this.warnings.push(error),
    });
    options.tap?.(this.capture.hooks.forPlugin('test'));
    if (!options.isUnrecorded) this.capture.hooks.forPlugin('keeper').onFlowComplete.sink.tap('keeper', ({ line }) => void this.records.push(JSON.parse(line) as FlowRecord));
    writeFileSync(this.caFile, this.capture.authority.certificate);
  }

  static async open(hosts: StageHosts, options: StageOptions = {}): Promise<Stage> {
    const pins = Object.fromEntries(Object.entries(hosts).map(([name, target]) => [name, typeof target === 'string' ? target : `127.0.0.1:${target.port}`]));
    const stage = new Stage(pins, options);
    await stage.capture.start();
    stage.#server.listen(0, '127.0.0.1');
    await once(stage.#server, 'listening');
    stage.capture.captureExplicit(stage.#server);
    return stage;
  }

  /** The proxy's port on 127.0.0.1. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get proxyUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get caFile(): string {
    return join(this.directory, 'ca.pem');
  }

  /** Waits for so many records, and a moment longer, so that one too many shows. */
  async recorded(count: number): Promise<FlowRecord[]> {
    await until(`${count} records, ${this.records.length} came`, () => this.records.length >= count);
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.records.length !== count) throw new Error(`${count} records expected, ${this.records.length} came: ${JSON.stringify(this.records)}`);
    return this.records;
  }

  /** The one record. */
  async record(): Promise<FlowRecord> {
    return (await this.recorded(1))[0]!;
  }

  /** A connection to the proxy itself. */
  async toProxy(): Promise<Wire> {
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.#clients.add(socket);
    socket.once('close', () => this.#clients.delete(socket));
    await soon('a connection to the proxy', once(socket, 'connect'));
    return new Wire(socket);
  }

  /** A connection through a tunnel, whose first byte is the client's: what a client in a guest would have. */
  async tunnel(host: string, port = 80): Promise<Socket> {
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.#clients.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#clients.delete(socket));
    socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
    let answer = '';
    await soon('the tunnel', new Promise<void>((resolve, reject) => {
      const onReadable = (): void => {
        for (let byte: Buffer | null; (byte = socket.read(1) as Buffer | null) !== null; ) {
          answer += byte.toString('latin1');
          if (!answer.endsWith('\r\n\r\n')) continue;
          socket.off('readable', onReadable);
          if (!answer.startsWith('HTTP/1.1 200 ')) return reject(new Error(answer));
          this.tunnels.push(socket.localPort!);
          return resolve();
        }
      };
      socket.on('readable', onReadable);
      socket.once('close', () => reject(new Error(`the tunnel was closed after ${JSON.stringify(answer)}`)));
    }));
    return socket;
  }

  async wire(host: string, port = 80): Promise<Wire> {
    return new Wire(await this.tunnel(host, port));
  }

  /** TLS through a tunnel, trusting the capture's CA. */
  async tls(host: string, options: ConnectionOptions = {}, port = 443): Promise<TLSSocket> {
    const socket = await this.tunnel(host, port);
    const tls = connectTls({ socket, servername: host, ca: this.capture.authority.certificate, ALPNProtocols: ['http/1.1'], ...options });
    await soon('the TLS handshake', once(tls, 'secureConnect'));
    return tls;
  }

  async tlsWire(host: string, options: ConnectionOptions = {}, port = 443): Promise<Wire> {
    return new Wire(await this.tls(host, options, port));
  }

  async h2(host: string, port = 443): Promise<ClientHttp2Session> {
    const tls = await this.tls(host, { ALPNProtocols: ['h2', 'http/1.1'] }, port);
    const session = connectHttp2(`https://${host}`, { createConnection: () => tls, settings: { enablePush: false }, maxHeaderListPairs: 1000, maxSendHeaderBlockLength: 256 * 1024 });
    session.on('error', () => {});
    await soon('the HTTP/2 session', once(session, 'connect'));
    return session;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const socket of this.#clients) socket.destroy();
    this.#server.close();
    await soon('the end of the capture', this.capture.close());
    rmSync(this.directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
