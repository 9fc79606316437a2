/** TLS that is not decrypted: by a pattern, and once a client has refused our certificate. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, before } from 'node:test';
import type { FlowRecord } from '../../../core/index.ts';
import { ClientCertificateFiles } from '../../stage/client-certificates.ts';
import { chromiumArgs } from '../stage/chromium.ts';
import { Stage } from '../stage/stage.ts';
import { openTlsServers, type TlsServers } from '../stage/tls-servers.ts';
import { row } from './row.ts';

let stage: Stage;
let servers: TlsServers;
let clients: ClientCertificateFiles;
/** Counts who comes. */
let unvisited: Server;
let visits = 0;

/** Without the folder of hashed names, in which the guest has the job's CA as well. */
const REAL = 'curl -sS --max-time 20 --cacert /real/ca.pem --capath /certs';

before(async () => {
  stage = await Stage.open();
  clients = new ClientCertificateFiles();
  servers = await openTlsServers(stage.workspace.folder, clients.path('ca.pem'));
  unvisited = createServer((socket) => {
    visits++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(unvisited, 'listening');
  const denied = `127.0.0.1:${(unvisited.address() as AddressInfo).port}`;
  const hosts = { 'pass.demo.test': servers.open, 'pinned.demo.test': servers.open, 'other.demo.test': servers.open, 'two.demo.test': servers.nginx['1.2'], 'evil.demo.test': denied };
  const common = { hosts, sandbox: { deniedDomains: ['evil.demo.test'] }, mounts: [{ source: stage.workspace.path('ca.pem'), destination: '/real/ca.pem', readOnly: true }, { source: clients.folder, destination: '/certs', readOnly: true }] };
  stage.profile({ ...common, interceptor: { passthrough: ['pass.demo.test', 'two.demo.test:443', 'evil.demo.test'] } }, 'fail.json');
  stage.profile({ ...common, interceptor: { passthrough: ['pinned.demo.test', 'pass.demo.test', 'evil.demo.test'], onPinned: 'passthrough' } }, 'learn.json');
});
after(async () => {
  unvisited?.close();
  await servers?.close();
  clients?.[Symbol.dispose]();
  await stage.close();
});

/** The flows of a shell's commands in one guest, look-ups left out, and what it printed. */
async function inGuest(profile: string, ...commands: string[]): Promise<{ flows: FlowRecord[]; said: string[] }> {
  const job = await stage.workspace.job(['--profile', profile], ['sh', '-c', commands.map((command) => `${command} 2>&1 | tr -d '\\n'; echo`).join('\n')]);
  assert.equal(job.code, 0, job.stderr);
  return { flows: job.flows.filter(({ kind }) => kind !== 'dns'), said: job.stdout.trimEnd().split('\n') };
}

const brief = ({ kind, outcome, error, policy }: FlowRecord): string => [kind, outcome, error?.code === outcome ? undefined : error?.code, policy?.decision === 'passthrough' ? 'undecrypted' : undefined].filter(Boolean).join(' ');

row({ client: 'openssl s_client', server: 'nginx', protocol: 'undecrypted TLS', result: 'tls completed undecrypted, TLSv1.2, http/1.1, CN=stage of CN=stage CA' }, async () => {
  const ask = "printf 'GET / HTTP/1.1\\r\\nHost: pass.demo.test\\r\\nConnection: close\\r\\n\\r\\n'";
  const { flows, said } = await inGuest('fail.json', `(${ask}; sleep 1) | openssl s_client -connect pass.demo.test:443 -servername pass.demo.test -tls1_2 -alpn http/1.1 -CAfile /real/ca.pem -verify_return_error -quiet`);
  assert.match(said[0]!, /verify return:1.*HTTP\/1\.1 200 OK.*NONE HTTP\/1\.1/s);
  assert.equal(flows.length, 1);
  const { passthrough, tls_sni, tls, timing, bytes, upstream } = flows[0]!;
  assert.deepEqual([tls_sni, passthrough!.offered_versions, passthrough!.offered_alpn, passthrough!.ech], ['pass.demo.test', ['TLSv1.2'], ['http/1.1'], 'absent']);
  assert.match(tls!.ja4!, /^t12d/);
  assert.match(passthrough!.cipher!, /^TLS_ECDHE_ECDSA_WITH_/);
  assert.ok(timing.connect! > 0 && timing.tls! > 0 && bytes.up > 200 && bytes.down > 500);
  assert.equal(`${upstream!.address}:${upstream!.port}`, servers.open);
  const { subject, issuer } = passthrough!.peer_certificate!;
  return `${brief(flows[0]!)}, ${passthrough!.version}, ${passthrough!.alpn}, ${subject} of ${issuer}`;
});

row({ client: 'curl --cert', server: 'nginx', protocol: 'undecrypted TLS that keeps the client certificate whole', result: 'tls completed undecrypted, agent 7' }, async () => {
  const { flows, said } = await inGuest('fail.json', `${REAL} --cert /certs/agent.pem --key /certs/agent.key https://two.demo.test/`);
  assert.equal(flows.length, 1);
  return `${brief(flows[0]!)}, ${/^CN=([^,]+),O=Stage SUCCESS/.exec(said[0]!)?.[1]}`;
});

row({ client: 'curl that trusts another CA', server: 'nginx', protocol: 'pinned, onPinned fail', result: 'tls failed client_rejected_certificate, twice' }, async () => {
  const { flows, said } = await inGuest('fail.json', `${REAL} https://pinned.demo.test/`, `${REAL} https://pinned.demo.test/`);
  for (const text of said) assert.match(text, /^curl: \(60\)/);
  assert.equal(flows.length, 2);
  for (const { error } of flows) assert.match(error!.message, /"passthrough": \["pinned\.demo\.test"\]/);
  assert.equal(brief(flows[0]!), brief(flows[1]!));
  return `${brief(flows[0]!)}, twice`;
});

row({ client: 'curl that trusts another CA', server: 'nginx', protocol: 'pinned, onPinned passthrough', result: 'tls failed client_rejected_certificate, then tls completed undecrypted' }, async () => {
  // A name of no pattern is never passed through, whatever its client refuses.
  const { flows, said } = await inGuest('learn.json', `${REAL} https://pinned.demo.test/`, `${REAL} https://pinned.demo.test/`, `${REAL} https://other.demo.test/`, `${REAL} https://other.demo.test/`);
  assert.deepEqual(said.map((text) => text.slice(0, 10)), ['curl: (60)', ' NONE HTTP', 'curl: (60)', 'curl: (60)']);
  assert.equal(flows.length, 4);
  assert.deepEqual(flows.slice(2).map(brief), Array(2).fill('tls failed client_rejected_certificate'));
  assert.equal(flows[1]!.passthrough!.version, 'TLSv1.3');
  return `${brief(flows[0]!)}, then ${brief(flows[1]!)}`;
});

row({ client: 'curl --pinnedpubkey', server: 'nginx', protocol: 'pinned, onPinned passthrough', result: 'tls failed client_rejected_certificate, then tls completed undecrypted, then http completed for another name' }, async () => {
  const pin = createHash('sha256').update(new X509Certificate(stage.identity.cert).publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  // It believes both CAs, and one key.
  const pinned = `cat /real/ca.pem "$CURL_CA_BUNDLE" >/tmp/both.pem; curl -sS --max-time 20 --cacert /tmp/both.pem --pinnedpubkey sha256//${pin}`;
  const { flows, said } = await inGuest('learn.json', `${pinned} https://pinned.demo.test/`, `${pinned} https://pinned.demo.test/`, 'curl -sS https://pass.demo.test/');
  assert.deepEqual(said.map((text) => text.slice(0, 10)), ['curl: (90)', ' NONE HTTP', ' NONE HTTP']);
  assert.equal(flows.length, 3);
  return `${brief(flows[0]!)}, then ${brief(flows[1]!)}, then ${brief(flows[2]!)} for another name`;
});

row({ client: 'curl', server: 'a listener', protocol: 'undecrypted TLS to a denied name', result: 'http denied, 403, 1 violation, 0 connections upstream' }, async () => {
  const { flows, said } = await inGuest('learn.json', "curl -sS -w ' %{http_code}' https://evil.demo.test/");
  assert.match(said[0]!, /"error":"denied".* 403$/);
  assert.equal(flows.length, 1);
  assert.equal(flows[0]!.violation?.code, 'denied');
  return `${brief(flows[0]!)}, ${flows[0]!.response?.status}, 1 violation, ${visits} connections upstream`;
});

row({ client: 'Chromium', server: 'nginx', protocol: 'Encrypted ClientHello (GREASE) in undecrypted TLS under lists', result: 'http denied ech_unjudgeable, 403, ech present' }, async () => {
  const job = await stage.workspace.job(['--profile', 'fail.json'], ['chromium', ...chromiumArgs('https://pass.demo.test/', '/tmp/browser')]);
  assert.match(job.stdout, /ech_unjudgeable/, job.stderr);
  const [page] = job.flows.filter(({ request }) => request?.url === 'https://pass.demo.test/');
  assert.deepEqual([page!.violation?.code, page!.upstream], ['ech_unjudgeable', null]);
  return `${brief(page!)}, ${page!.response?.status}, ech ${page!.tls!.ech}`;
});
