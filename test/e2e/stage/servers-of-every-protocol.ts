/** One real server for each protocol that a job speaks, each behind a turnstile that counts who comes. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { Caddy } from '../../stage/caddy.ts';
import { ClientCertificateFiles } from '../../stage/client-certificates.ts';
import { Bind } from './bind.ts';
import { ChatServer, ForeignChatServer } from './chat.ts';
import { gitDaemon, postgresDaemon, redisDaemon, smtpDaemon, sshDaemon } from './daemons.ts';
import { GrpcOrigin } from './grpc-origin.ts';
import { echo, Origin } from './origin.ts';
import { BARE_IPV4, BARE_IPV6, type Stage } from './stage.ts';
import { openTlsServers } from './tls-servers.ts';
import { Turnstile } from './turnstile.ts';

const SOA = '$TTL 300\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n';

export type Served = 'https' | 'http' | 'h2c' | 'h3' | 'ws' | 'ws2' | 'grpc' | 'mtls' | 'tls' | 'ssh' | 'pg' | 'redis' | 'smtp' | 'git' | 'proxy' | 'dns' | 'doh' | 'beyond';

/** @param target the port that a tunnel leads to. */
async function openProxy(target: (authority: string) => number): Promise<Server> {
  const proxy = createServer().on('connect', (request, client, head) => {
    const upstream = connect(target(request.url!), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const end of [client, upstream]) end.on('error', () => void [client.destroy(), upstream.destroy()]);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

export class ServersOfEveryProtocol {
  readonly #closers: (() => unknown)[];
  /** What the clients of mutual TLS show: `agent.pem` and `agent.key` of this folder. */
  readonly certificates: ClientCertificateFiles;
  readonly of: Readonly<Record<Served, Turnstile>>;

  private constructor(of: Record<Served, Turnstile>, certificates: ClientCertificateFiles, closers: (() => unknown)[]) {
    this.of = of;
    this.certificates = certificates;
    this.#closers = closers;
  }

  /** SSH lets in whoever has `keys/id` of the stage's folder. At the DNS server `zone.test` has MX, `text.zone.test` TXT, and `www.demo.test` and `six.demo.test` the bare addresses. The proxy leads to the origin or to Redis, by the port; `beyond` stands before Redis for a name that begins so. */
  static async open({ workspace, identity, origin }: Stage): Promise<ServersOfEveryProtocol> {
    const { folder } = workspace;
    const certificates = new ClientCertificateFiles();
    const plain2 = createHttp2Server((_request, response) => void response.end('GET / 0\n')).listen(0, '127.0.0.1');
    const [plain, ssh, pg, redis, smtp, git, caddy, bind, ws, ws2, grpc, tls] = await Promise.all([
      Origin.open(echo),
      sshDaemon(workspace.path('keys', 'id')),
      postgresDaemon(folder),
      redisDaemon(),
      smtpDaemon(folder),
      gitDaemon(),
      Caddy.open({ identity, host: 'h3.demo.test' }),
      Bind.open(workspace.path('bind'), { 'zone.test': `${SOA}@ MX 10 mail\ntext TXT "served"\n`, 'demo.test': `${SOA}www A ${BARE_IPV4}\nsix AAAA ${BARE_IPV6}\n` }),
      ChatServer.open(identity),
      ForeignChatServer.python('hypercorn', folder),
      GrpcOrigin.open(identity),
      openTlsServers(folder, certificates.path('ca.pem')),
    ]);
    const beyond = await Turnstile.before(redis.address);
    const proxy = await openProxy((authority) => Number((authority.endsWith(':443') ? origin : authority.startsWith('beyond.') ? beyond : redis).address.split(':').at(-1)));
    const port = (server: { address(): unknown }): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const addresses: Record<Exclude<Served, 'beyond'>, string> = {
      https: origin.address,
      http: plain.address,
      h2c: port(plain2),
      h3: `127.0.0.1:${caddy.port}`,
      ws: ws.address,
      ws2: ws2.address,
      grpc: grpc.address,
      mtls: tls.nginx['1.3'],
      tls: tls.open,
      ssh: ssh.address,
      pg: pg.address,
      redis: redis.address,
      smtp: smtp.address,
      git: git.address,
      proxy: port(proxy),
      dns: `127.0.0.1:${bind.port}`,
      doh: `127.0.0.1:${bind.httpsPort}`,
    };
    const turnstiles = await Promise.all(Object.entries(addresses).map(async ([name, address]) => [name, await Turnstile.before(address)] as const));
    turnstiles.push(['beyond', beyond]);
    const closers = [
      ...turnstiles.map(([, turnstile]) => () => turnstile.close()),
      ...[plain, ssh, pg, redis, smtp, git, bind, ws, ws2, grpc, tls, proxy, plain2].map((server) => () => server.close()),
      () => caddy[Symbol.asyncDispose](),
      () => proxy.closeAllConnections(),
      () => certificates[Symbol.dispose](),
    ];
    return new ServersOfEveryProtocol(Object.fromEntries(turnstiles) as Record<Served, Turnstile>, certificates, closers);
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close()));
  }
}
