/** A guest's UDP: HTTP/3 is captured with a certificate for its name, all else is refused and recorded once for each destination. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { BARE_IPV4, Stage } from './stage/stage.ts';
import { flowsOf, until, type Job } from './stage/workspace.ts';

const run = promisify(execFile);

const LIMIT = { timeout: 90_000 };
let stage: Stage;

before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

/** `gtlsclient` in the guest; it does not say by its exit code what came of it. */
const h3 = (host: string, path: string, more = ''): string => `timeout 20 gtlsclient --exit-on-all-streams-close --timeout=10s ${more} ${host} 443 https://${host}${path}`;

function briefly({ flows }: Job): string[] {
  return flows.map(({ kind, outcome, request, response, tls, server, error }) => [kind, outcome, request?.http_version ?? '', response?.status ?? '', tls?.alpn ?? '', server.name ?? server.address, error?.code ?? ''].join(' '));
}

test('gtlsclient reaches an origin without HTTP/3, on the usual port and on another', LIMIT, async () => {
  const job = await stage.workspace.job(stage.profile(), ['sh', '-c', `${h3('api.demo.test', '/one', '-d /guest/fetch.mjs -m POST')}; timeout 20 gtlsclient --exit-on-all-streams-close api.demo.test 8443 https://api.demo.test:8443/two`]);
  assert.match(job.stdout + job.stderr, /:status: 200/);
  assert.deepEqual(briefly(job), ['http completed 3 200 h3 api.demo.test ', 'http completed 3 200 h3 api.demo.test ']);
  const [one, two] = job.flows;
  assert.equal(one!.request!.method, 'POST');
  assert.ok(one!.bytes.up > 0);
  assert.equal(one!.tls!.version, 'TLSv1.3');
  assert.match(one!.tls!.cipher!, /^TLS_/);
  assert.match(one!.tls!.ja4 ?? '', /^q13d/);
  assert.deepEqual([one!.server.port, two!.server.port], [443, 8443]);
  assert.deepEqual(job.summary.dropped_packets, { udp: 0, other: 0 });
});

test('a denied name is answered with 403 over HTTP/3, and nothing goes upstream', LIMIT, async () => {
  const before = stage.origin.connections;
  const job = await stage.workspace.job([...stage.profile({ sandbox: { deniedDomains: ['evil.demo.test'] }, hosts: { 'evil.demo.test': stage.origin.address } }), '--allow', '*.demo.test', '--preset', 'enforce'], ['sh', '-c', h3('evil.demo.test', '/')]);
  assert.match(job.stdout + job.stderr, /:status: 403/);
  assert.deepEqual(briefly(job), ['http denied 3 403 h3 evil.demo.test denied']);
  assert.notEqual(job.flows[0]!.violation, null);
  assert.equal(stage.origin.connections, before);
});

test('other UDP is refused at once: one flow and one violation for each destination, every packet counted', LIMIT, async () => {
  const script = `
import socket
for place in [('${BARE_IPV4}', 9), ('${BARE_IPV4}', 9), ('${BARE_IPV4}', 853), ('${BARE_IPV4}', 443)]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect(place)
    s.send(b'hello')
    try: s.recv(10)
    except OSError as error: print(type(error).__name__)
`;
  const job = await stage.workspace.job(stage.profile(), ['python3', '-c', script]);
  assert.equal(job.stdout, 'ConnectionRefusedError\n'.repeat(4));
  assert.deepEqual(briefly(job), Array.from({ length: 3 }, () => `udp denied    ${BARE_IPV4} udp_denied`));
  assert.deepEqual(job.flows.map(({ server }) => server.port), [9, 853, 443]);
  for (const { violation, udp } of job.flows) {
    assert.equal(violation!.code, 'udp_denied');
    assert.deepEqual([udp!.packets, udp!.first.data], [1, 'hello']);
  }
  assert.deepEqual(job.summary.dropped_packets, { udp: 4, other: 0 });
});

test('a port for HTTP/3 that is taken, or a name in its place, ends the proxy at once', LIMIT, async () => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address();
  const proxy = (address: string) => stage.workspace.run('mentu-runtime', ['proxy', '--listen', '127.0.0.1:0', '--http3-listen', address], { timeout: 20_000 });
  const { code, stderr } = await proxy(`127.0.0.1:${port}`);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /cannot listen on 127\.0\.0\.1:\d+: bind EADDRINUSE.* by --http3-listen\./);
  const named = await proxy('localhost:0');
  assert.match(named.stderr, /--http3-listen takes an IP address and a port/);
  taken.close();
});

test('the proxy takes HTTP/3 from clients outside of a guest, for the name that they ask for', LIMIT, async () => {
  stage.profile();
  const child = stage.workspace.start('mentu-runtime', ['proxy', '--listen', '127.0.0.1:0', '--http3-listen', '127.0.0.1:0', '--profile', 'profile.json', '--ca-out', 'proxy-ca.pem']);
  let stderr = '';
  child.stderr!.on('data', (chunk) => (stderr += chunk));
  const closed = once(child, 'close');
  const [folder, port] = await until('the proxy tells its ports', () => {
    const [folder, port] = [/record in (\S+)/.exec(stderr)?.[1], /HTTP\/3 on 127\.0\.0\.1:(\d+)/.exec(stderr)?.[1]];
    return folder && port && [folder, port];
  });
  const hosts = stage.workspace.write('hosts', '127.0.0.1 api.demo.test\n');
  const { stdout, stderr: told } = await run('unshare', ['-rm', 'sh', '-c', `mount --bind ${hosts} /etc/hosts && exec gtlsclient --exit-on-all-streams-close --timeout=10s api.demo.test ${port} https://api.demo.test/three`], { timeout: 30_000 }).catch((error: { stdout: string; stderr: string }) => error);
  assert.match(stdout + told, /:status: 200/);
  child.kill('SIGINT');
  await closed;
  const flows = flowsOf(stage.workspace.path(folder!));
  assert.deepEqual(flows.map(({ outcome, request, response, server }) => [outcome, request!.http_version, response!.status, server.name, server.port]), [['completed', '3', 200, 'api.demo.test', 443]]);
});
