/**
 * The preset `enforce`, for each protocol that a job speaks: a name that no entry allows (for raw TCP: nor any entry with
 * its port) is refused in the protocol's own way, nothing reaches a server, and each attempt is one denied flow and one
 * violation. The same clients get through where the list has their entries.
 */
import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../core/index.ts';
import { GUEST_WS } from './stage/chat.ts';
import { ServersOfEveryProtocol, type Served } from './stage/servers-of-every-protocol.ts';
import { BARE_IPV4, BARE_IPV6, GUEST_NODE, Stage } from './stage/stage.ts';
import type { Job } from './stage/workspace.ts';

const LIMIT = { timeout: 120_000 };
const MODULES = realpathSync(join(import.meta.dirname, '../../node_modules'));

interface Attempt {
  /** The name that the list has or lacks. */
  readonly host: string;
  /** Where the name leads; look-ups go to their server whatever they name. */
  readonly server: Served;
  readonly command: (host: string) => string;
  /** What the client says, and then ` exit` with its code. */
  readonly refused: RegExp;
  readonly served: RegExp;
  readonly kind?: FlowRecord['kind'];
  /** Of raw protocols, which an entry must name. */
  readonly port?: number;
  /** Connections or questions that the client tries, each one a flow and a violation. Default 1. */
  readonly tries?: number;
  readonly code?: string;
  /** Look-ups of types other than addresses that the client makes of the name: each one a flow and a violation of its own. */
  readonly lookups?: number;
}

const curl = (flags: string, url: string): string => `curl -sS --max-time 20 -w ' %{http_code} %{http_version}' ${flags} ${url}`;
const http = (version: string): Pick<Attempt, 'refused' | 'served'> => ({ refused: new RegExp(`"error":"denied"[^]* 403 ${version}`), served: new RegExp(`^GET / 0\\n 200 ${version}`) });
/** Met in reading or in writing, and in libpq's words. */
const reset = /connection reset|broken pipe|server closed the connection unexpectedly/i;

const ATTEMPTS: readonly Attempt[] = [
  { host: 'one.demo.test', server: 'https', command: (host) => curl('--http1.1', `https://${host}/`), ...http('1.1') },
  { host: 'two.demo.test', server: 'https', command: (host) => curl('--http2', `https://${host}/`), ...http('2') },
  { host: 'plain.demo.test', server: 'http', command: (host) => curl('', `http://${host}/`), ...http('1.1') },
  { host: 'h2c.demo.test', server: 'h2c', command: (host) => curl('--http2-prior-knowledge', `http://${host}/`), ...http('2') },
  { host: 'h3.demo.test', server: 'h3', command: (host) => `timeout 20 gtlsclient --exit-on-all-streams-close --timeout=10s ${host} 443 https://${host}/hello 2>&1 | grep -a :status`, refused: /:status: 403/, served: /:status: 200/ },
  { host: 'ws.demo.test', server: 'ws', command: (host) => `${GUEST_NODE} /guest/chat.mjs wss://${host}/chat`, refused: /^Unexpected server response: 403$/m, served: /closed 4000 enough/ },
  { host: 'ws2.demo.test', server: 'ws2', command: (host) => `${GUEST_NODE} /guest/websocket_http2.mjs ${host}`, refused: /^status 403$/m, served: /^status 200$/m },
  // It asks for a service config (TXT) first.
  { host: 'grpc.demo.test', server: 'grpc', lookups: 1, command: (host) => `${GUEST_NODE} /guest/grpc_calls.mjs ${host}:443 unary`, refused: /^unary: PERMISSION_DENIED denied: grpc\.(?:demo|other)\.test by allowedDomains: no entry/m, served: /^unary: hello back$/m },
  { host: 'mtls.demo.test', server: 'mtls', command: (host) => curl('', `https://${host}/`), refused: /"error":"denied"[^]* 403 2/, served: /CN=agent 7,O=Stage SUCCESS[^]* 200 2/ },
  { host: 'asked.demo.test', server: 'https', command: (host) => curl('--cert /certs/chained.pem --key /certs/chained.key', `https://${host}/`), ...http('2') },
  { host: 'pass.demo.test', server: 'tls', command: (host) => `cat /real/ca.pem "$CURL_CA_BUNDLE" >/tmp/both.pem; ${curl('--cacert /tmp/both.pem', `https://${host}/`)}`, refused: /"error":"denied"[^]* 403 2/, served: /NONE HTTP\/2[^]* 200 2/ },
  // It believes the server's CA alone, and so cannot be told in HTTP.
  { host: 'pinned.demo.test', server: 'tls', kind: 'tls', command: (host) => curl('--cacert /real/ca.pem --capath /certs', `https://${host}/`), refused: /^ ?000 0|curl: \(60\)/m, served: /NONE HTTP\/2[^]* 200 2/ },
  { host: 'ssh.demo.test', server: 'ssh', port: 22, command: (host) => `ssh -i /keys/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes ${userInfo().username}@${host} 'expr 40 + 2'`, refused: reset, served: /^42$/m },
  { host: 'pg.demo.test', server: 'pg', port: 5432, command: (host) => `psql -X -t -A -c "select 40 + 2" "host=${host} user=postgres sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt"`, refused: reset, served: /^42$/m },
  { host: 'pg-plain.demo.test', server: 'pg', port: 5432, command: (host) => `psql -X -t -A -c "select 40 + 2" "host=${host} user=postgres sslmode=disable"`, refused: reset, served: /^42$/m },
  { host: 'redis.demo.test', server: 'redis', port: 6379, command: (host) => `redis-cli -h ${host} PING`, refused: reset, served: /^PONG$/m },
  { host: 'mail.demo.test', server: 'smtp', port: 25, command: (host) => `(sleep 1; printf 'QUIT\\r\\n') | openssl s_client -starttls smtp -connect ${host}:25 -verify_return_error -quiet -crlf`, refused: /errno=(?:32|104)\n exit 1/, served: /^221 Bye/m },
  { host: 'git.demo.test', server: 'git', port: 9418, command: (host) => `git ls-remote git://${host}/one.git`, refused: reset, served: /refs\/heads\/main/ },
];

const DIG = 'dig +noall +comments +answer +tries=1';
const PROXIED = 'curl -sS --max-time 20 -x http://relay.demo.test:3128';
const NEVER = /^(?!)/;

const LOOKUPS: readonly Attempt[] = [
  { host: 'zone.test', server: 'dns', kind: 'dns', command: (host) => `${DIG} ${host} MX`, refused: /status: REFUSED/, served: /10 mail\.zone\.test/ },
  { host: 'text.zone.test', server: 'dns', kind: 'dns', command: (host) => `${DIG} +tcp ${host} TXT`, refused: /status: REFUSED/, served: /"served"/ },
  // It asks for A and for AAAA.
  { host: 'doh.demo.test', server: 'doh', tries: 2, command: (host) => curl(`--doh-url https://${host}/dns-query`, 'https://www.demo.test/'), refused: /exit 6$/m, served: /^GET \/ 0\n 200 2/ },
];

const TUNNELS: readonly Attempt[] = [
  { host: 'proxy.demo.test', server: 'proxy', command: (host) => curl(`-x http://${host}:3128`, 'https://inner.demo.test/'), refused: /response 403[^]* exit 56$/m, served: /^GET \/ 0\n 200 2/ },
  // The proxy is allowed, and is not asked.
  { host: 'inner.demo.test', server: 'proxy', command: (host) => `${PROXIED} https://${host}/`, refused: /response 403[^]* exit 56$/m, served: /^GET \/ 0\n/ },
];

/** What nothing allows. */
const HOPELESS: readonly Attempt[] = [
  { host: 'dot.demo.test', server: 'dns', kind: 'tcp', command: (host) => `openssl s_client -connect ${host}:853`, refused: /errno=(?:32|104)|reset by peer/i, served: NEVER },
  { host: 'udp.demo.test', server: 'dns', kind: 'udp', code: 'udp_denied', command: (host) => `python3 -c "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.connect(('${host}', 9999)); s.send(b'hello'); s.recv(1)"`, refused: /ConnectionRefusedError/, served: NEVER },
];

/** Where all that leads to it is allowed, and it is not: an address that DNS over HTTPS told, and a raw protocol in a tunnel, with an entry that lacks its port. */
const BEYOND: readonly Attempt[] = [
  { host: BARE_IPV6, server: 'https', command: () => curl('--doh-url https://doh.demo.test/dns-query', 'https://six.demo.test/'), refused: /"error":"denied"[^]* 403 2/, served: NEVER },
  { host: 'beyond.demo.test', server: 'beyond', kind: 'tcp', command: (host) => `(printf 'PING\\r\\n'; sleep 1) | ${PROXIED} --proxytunnel telnet://${host}:6379`, refused: reset, served: NEVER },
];
const THROUGH_TUNNEL: Attempt = { host: 'raw.demo.test', server: 'proxy', command: (host) => `(printf 'PING\\r\\nQUIT\\r\\n'; sleep 1) | ${PROXIED} --proxytunnel telnet://${host}:6379`, refused: NEVER, served: /^\+PONG/ };

/** A raw protocol is tried twice: with an entry that lacks its port, and with none. */
const REFUSED = [...ATTEMPTS.flatMap((attempt) => (attempt.port === undefined ? [attempt] : [attempt, { ...attempt, host: attempt.host.replace('demo', 'other') }])), ...LOOKUPS, ...TUNNELS, ...HOPELESS];
const SERVED = [...ATTEMPTS, ...LOOKUPS, ...TUNNELS, THROUGH_TUNNEL];

let stage: Stage;
let servers: ServersOfEveryProtocol;

before(async () => {
  stage = await Stage.open();
  servers = await ServersOfEveryProtocol.open(stage);
}, LIMIT);
after(async () => {
  await servers?.close();
  await stage.close();
});

/** Runs the attempts at once in one guest, by the preset and this list alone; what each client said, its exit code last. */
async function run(attempts: readonly Attempt[], allowedDomains: readonly string[]): Promise<{ job: Job; said: string[] }> {
  const { certificates, of } = servers;
  const flags = stage.profile({
    sandbox: { allowedDomains },
    hosts: { ...Object.fromEntries(attempts.filter(({ kind }) => kind !== 'dns').map(({ host, server }) => [host, of[server].address])), 'relay.demo.test': of.proxy.address, [BARE_IPV4]: of.https.address },
    mounts: [
      GUEST_WS,
      { source: MODULES, destination: '/opt/modules/node_modules', readOnly: true },
      { source: 'keys', destination: '/keys', readOnly: true },
      { source: 'ca.pem', destination: '/real/ca.pem', readOnly: true },
      { source: certificates.folder, destination: '/certs', readOnly: true },
    ],
    interceptor: {
      dnsServers: [of.dns.address],
      passthrough: ['pass.demo.test', 'pinned.demo.test'],
      clientCertificates: [{ host: 'mtls.demo.test', cert: certificates.path('agent.pem'), key: certificates.path('agent.key') }],
      clientAuth: [{ host: 'asked.demo.test', ca: certificates.path('ca.pem'), require: true }],
    },
  });
  const lines = attempts.map(({ host, command }, at) => `{ ${command(host)}; echo " exit $?"; } </dev/null >/tmp/said.${at} 2>&1 &`);
  const script = `${lines.join('\n')}\nwait; for at in $(seq 0 ${attempts.length - 1}); do cat /tmp/said.$at; printf '\\036'; done`;
  const job = await stage.workspace.job([...flags, '--preset', 'enforce'], ['sh', '-c', script], { timeout: 60_000 });
  assert.equal(job.code, 0, job.stderr);
  return { job, said: job.stdout.split('\x1e').slice(0, -1) };
}

/** Each denial is one flow and one signal, and nothing else is denied. */
async function assertViolations({ lines, summary }: Job, attempts: readonly Attempt[]): Promise<void> {
  const expected = attempts.flatMap(({ host, kind, port, code = 'denied', tries = 1, lookups = 0 }) => [
    ...Array<string>(tries).fill(`${kind ?? (port === undefined ? 'http' : 'tcp')} ${host} ${code}`),
    ...Array<string>(lookups).fill(`dns ${host} denied`),
  ]);
  const denied = lines.filter(({ outcome, violation }) => outcome === 'denied' || violation !== null);
  assert.deepEqual(denied.map(({ kind, violation, error, outcome }) => `${kind} ${violation?.host} ${outcome === 'denied' ? error?.code : outcome}`).sort(), expected.sort());
  const signals = await stage.workspace.signals('--type', 'sandbox_violation', '--job', summary.job_id);
  assert.deepEqual(signals.map(({ data }) => `${data['violation']} ${data['flow']} ${data['host']}`).sort(), denied.map(({ id, violation }) => `${violation!.id} ${id} ${violation!.host}`).sort());
  assert.equal(summary.denied, denied.length);
}

test('what no entry allows is refused in its protocol, reaches nobody, and is one violation each', LIMIT, async () => {
  const withoutPort = ATTEMPTS.filter(({ port }) => port !== undefined).flatMap(({ host, port }) => [host, `${host}:${port! + 1}`]);
  const { job, said } = await run(REFUSED, ['relay.demo.test', ...withoutPort]);
  for (const [at, { host, refused }] of REFUSED.entries()) assert.match(said[at]!, refused, `${host}: ${said[at]}`);
  await assertViolations(job, REFUSED);
  assert.equal(job.flows.length, job.flows.filter(({ outcome }) => outcome === 'denied').length, 'no flow beside them');
  for (const [name, turnstile] of Object.entries(servers.of)) assert.deepEqual(turnstile.seen, { connections: 0, datagrams: 0, bytes: 0 }, name);
});

test('the same clients get through with their entries, and no further', LIMIT, async () => {
  const entries = SERVED.map(({ host, port }) => (port === undefined ? host : `${host}:${port}`));
  const { job, said } = await run([...SERVED, ...BEYOND], [...entries, 'relay.demo.test', 'raw.demo.test:6379', BARE_IPV4, 'www.demo.test', 'six.demo.test', 'beyond.demo.test']);
  for (const [at, { host, served }] of SERVED.entries()) assert.match(said[at]!, served, `${host}: ${said[at]}`);
  for (const [at, { host, refused }] of BEYOND.entries()) assert.match(said[SERVED.length + at]!, refused, `${host}: ${said[SERVED.length + at]}`);
  await assertViolations(job, BEYOND);
  const { beyond, ...reached } = servers.of;
  for (const [name, { connections, datagrams, bytes }] of Object.entries(reached)) assert.ok(connections + datagrams > 0 && bytes > 0, name);
  assert.equal(beyond.bytes, 0, 'the tunnel stands, and nothing has gone through it');
});
