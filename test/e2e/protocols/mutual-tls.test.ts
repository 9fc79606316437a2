/** Certificates of clients: ours towards foreign servers, and those of foreign clients in a guest. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../../core/index.ts';
import { ClientCertificateFiles, PASSPHRASE } from '../../stage/client-certificates.ts';
import { Stage } from '../stage/stage.ts';
import { openTlsServers, type TlsServers } from '../stage/tls-servers.ts';
import type { Job } from '../stage/workspace.ts';
import { row } from './row.ts';

let stage: Stage;
let servers: TlsServers;
let job: Job;
/** What curl printed for each name. */
let said: ReadonlyMap<string, string>;
let agent: string;
let guests: ClientCertificateFiles;

/** Calls that one guest makes one after the other, as `name flags`. The names' first part says what they are about. */
const CALLS = ['nginx', 'caddy'].flatMap((server) =>
  ['1.2', '1.3'].flatMap((version) =>
    ['--http1.1', '--http2'].flatMap((flag) => [`shown-${server}-${version.at(-1)}`, `none-${server}-${version.at(-1)}`, `wrong-${server}-${version.at(-1)}`].map((name) => `${name} ${flag}`)),
  ),
);
const GUEST_CALLS = ['--tls-max 1.2 --http1.1', '--tls-max 1.2 --http2', '--tlsv1.3 --http1.1', '--tlsv1.3 --http2'].flatMap((flags) => [
  `asked ${flags} --cert /guest-certs/agent.pem --key /guest-certs/agent.key`,
  `asked ${flags}`,
  `asked ${flags} --cert /guest-certs/other.pem --key /guest-certs/other.key`,
]);

before(async () => {
  stage = await Stage.open();
  const { workspace } = stage;
  for (const folder of ['ours', 'guests']) mkdirSync(workspace.path(folder));
  const ours = new ClientCertificateFiles(workspace.path('ours'));
  guests = new ClientCertificateFiles(workspace.path('guests'));
  agent = ours.sha256('agent.pem');
  servers = await openTlsServers(workspace.folder, ours.path('ca.pem'));
  const hosts: Record<string, string> = { 'asked.demo.test': servers.open, 'enc-nginx.demo.test': servers.nginx['1.3'], 'p12-caddy.demo.test': servers.caddy['1.2'], 'chain-caddy.demo.test': servers.caddy['1.3'] };
  for (const kind of ['shown', 'none', 'wrong']) {
    for (const version of ['1.2', '1.3'] as const) {
      hosts[`${kind}-nginx-${version.at(-1)}.demo.test`] = servers.nginx[version];
      hosts[`${kind}-caddy-${version.at(-1)}.demo.test`] = servers.caddy[version];
    }
  }
  const of = (host: string, name: string, more: object = {}): object => ({ host: `${host}.demo.test`, cert: `ours/${name}.pem`, key: `ours/${name}.key`, ...more });
  const named = ['nginx-2', 'nginx-3', 'caddy-2', 'caddy-3'];
  stage.profile({
    hosts,
    mounts: [{ source: workspace.path('ours'), destination: '/ours', readOnly: true }, { source: workspace.path('guests'), destination: '/guest-certs', readOnly: true }],
    interceptor: {
      clientCertificates: [
        ...named.flatMap((name) => [of(`shown-${name}`, 'agent'), of(`wrong-${name}`, 'other')]),
        of('enc-nginx', 'agent', { key: 'ours/agent.enc.key', passphraseEnv: 'E2E_PASSPHRASE' }),
        { host: 'p12-caddy.demo.test:443', pkcs12: 'ours/agent.p12', passphraseEnv: 'E2E_PASSPHRASE' },
        of('chain-caddy', 'chained'),
        of('old', 'old'),
      ],
      clientAuth: [{ host: 'asked.demo.test', ca: 'guests/ca.pem', require: true }],
    },
  });
  const calls = [...CALLS, 'enc-nginx --http2', 'p12-caddy --http1.1', 'chain-caddy --http2', ...GUEST_CALLS];
  const script = calls.map((call, at) => {
    const [name, ...flags] = call.split(' ');
    return `curl -sS --max-time 20 -w ' %{http_code}' ${flags.join(' ')} https://${name}.demo.test/${at} >/tmp/${at} 2>&1 &${at % 10 === 9 ? ' wait' : ''}`;
  });
  const read = `wait; for at in $(seq 0 ${calls.length - 1}); do tr -d '\\n' </tmp/$at; echo; done`;
  const hidden = 'cd /ours; cat agent.pem agent.key agent.enc.key agent.p12 chained.pem chained.key other.pem other.key | wc -c; echo "$E2E_PASSPHRASE."';
  job = await workspace.job(['--profile', 'profile.json'], ['sh', '-c', `${script.join('\n')}\n${read}\n${hidden}`], { env: { E2E_PASSPHRASE: PASSPHRASE }, timeout: 90_000 });
  assert.equal(job.code, 0, job.stderr);
  const lines = job.stdout.split('\n');
  said = new Map(calls.map((call, at) => [`${call} ${at}`, lines[at]!]));
});
after(async () => {
  await servers?.close();
  await stage.close();
});

interface Call {
  readonly answer: string;
  readonly flow: FlowRecord;
}

/** The calls to names that begin so, each with its one flow. */
function callsTo(prefix: string): Call[] {
  return [...said].filter(([call]) => call.startsWith(prefix)).map(([call, answer]) => {
    const url = `https://${call.split(' ')[0]}.demo.test/${call.split(' ').at(-1)}`;
    const flows = job.flows.filter(({ request }) => request?.url === url);
    assert.equal(flows.length, 1, url);
    return { answer, flow: flows[0]! };
  });
}

const distinct = (values: readonly (string | undefined | null)[]): string => [...new Set(values)].join(' and ');
const versionsOf = (calls: readonly Call[]): string => `${distinct(calls.map(({ flow }) => flow.upstream?.tls?.version))}, HTTP/${distinct(calls.map(({ flow }) => flow.upstream?.http_version))}`;

async function shown(server: 'nginx' | 'caddy', answered: RegExp): Promise<string> {
  const calls = callsTo(`shown-${server}`);
  for (const { answer, flow } of calls) {
    assert.match(answer, answered);
    assert.deepEqual([flow.outcome, flow.response?.status, flow.upstream?.tls?.client_certificate], ['completed', 200, { subject: 'O=Stage\nCN=agent 7', sha256: agent }]);
  }
  return `${calls.length} flows, ${versionsOf(calls)}, agent 7`;
}

row({ client: 'curl', server: 'nginx', protocol: 'mutual TLS upstream', result: '4 flows, TLSv1.2 and TLSv1.3, HTTP/1.1 and 2, agent 7' }, () => shown('nginx', /^CN=agent 7,O=Stage SUCCESS HTTP\/(1\.1|2\.0) 200$/));
row({ client: 'curl', server: 'caddy', protocol: 'mutual TLS upstream', result: '4 flows, TLSv1.2 and TLSv1.3, HTTP/1.1 and 2, agent 7' }, () => shown('caddy', /^CN=agent 7,O=Stage HTTP\/(1\.1|2\.0) 200$/));

row({ client: 'curl', server: 'nginx and caddy', protocol: 'mutual TLS upstream: an encrypted key, PKCS#12, a chain', result: '3 flows, agent 7, agent 7, chained agent' }, async () => {
  const calls = [...callsTo('enc-'), ...callsTo('p12-'), ...callsTo('chain-')];
  for (const { flow } of calls) assert.deepEqual([flow.outcome, flow.response?.status], ['completed', 200]);
  return `${calls.length} flows, ${calls.map(({ answer }) => /^CN=([^,]+),O=Stage/.exec(answer)?.[1]).join(', ')}`;
});

row({ client: 'curl', server: 'caddy', protocol: 'mutual TLS upstream without a certificate', result: '4 flows, failed, client_certificate_required, which names the CA' }, async () => {
  const calls = callsTo('none-caddy');
  for (const { answer, flow } of calls) {
    assert.match(answer, /"error":"client_certificate_required".* 502$/);
    assert.match(flow.error!.message, /none-caddy-[23]\.demo\.test asks for a client certificate, and none is configured for it; it takes those of CN=Agents CA, O=Stage\./);
    assert.deepEqual([flow.kind, flow.upstream?.tls?.client_certificate ?? null, flow.violation], ['http', null, null]);
  }
  return `${calls.length} flows, ${distinct(calls.map(({ flow }) => flow.outcome))}, ${distinct(calls.map(({ flow }) => flow.error?.code))}, which names the CA`;
});

row({ client: 'curl', server: 'nginx', protocol: 'mutual TLS upstream without a certificate, or with a wrong one', result: '8 flows, completed, the 400 of nginx' }, async () => {
  const calls = [...callsTo('none-nginx'), ...callsTo('wrong-nginx')];
  for (const { answer, flow } of calls) {
    assert.match(answer, /No required SSL certificate was sent|The SSL certificate error/);
    assert.equal(flow.response?.status, 400);
  }
  return `${calls.length} flows, ${distinct(calls.map(({ flow }) => flow.outcome))}, the 400 of nginx`;
});

row({ client: 'curl', server: 'caddy', protocol: 'mutual TLS upstream with a certificate of another CA', result: '4 flows, failed, client_certificate_rejected' }, async () => {
  const calls = callsTo('wrong-caddy');
  for (const { answer, flow } of calls) {
    assert.match(answer, /"error":"client_certificate_rejected".* 502$/);
    assert.match(flow.error!.message, /wrong-caddy-[23]\.demo\.test refused our client certificate CN=stranger: /);
  }
  return `${calls.length} flows, ${distinct(calls.map(({ flow }) => flow.outcome))}, ${distinct(calls.map(({ flow }) => flow.error?.code))}`;
});

row({ client: 'curl --cert', server: 'nginx', protocol: 'mutual TLS with the guest', result: '12 flows: 4 verified, 4 client_certificate_missing, 4 client_certificate_invalid' }, async () => {
  const calls = callsTo('asked');
  for (const [index, { answer, flow }] of calls.entries()) {
    const certificate = flow.tls?.client_certificate ?? null;
    const expected = [200, 403, 403][index % 3];
    assert.match(answer, new RegExp(` ${expected}$`));
    assert.deepEqual([flow.response?.status, certificate?.verified ?? null], [expected, [true, null, false][index % 3]]);
    assert.equal(flow.outcome, expected === 200 ? 'completed' : 'failed');
    if (index % 3 === 0) assert.deepEqual([certificate!.subject, certificate!.issuer, certificate!.sha256], ['O=Stage\nCN=agent 7', 'O=Stage\nCN=Agents CA', guests.sha256('agent.pem')]);
  }
  assert.equal(distinct(calls.map(({ flow }) => `${flow.tls?.version} HTTP/${flow.http_version}`)), 'TLSv1.2 HTTP/1.1 and TLSv1.2 HTTP/2 and TLSv1.3 HTTP/1.1 and TLSv1.3 HTTP/2');
  const count = (code: string | undefined): number => calls.filter(({ flow }) => flow.error?.code === code).length;
  return `${calls.length} flows: ${count(undefined)} verified, ${count('client_certificate_missing')} client_certificate_missing, ${count('client_certificate_invalid')} client_certificate_invalid`;
});

test('an expired certificate is told at the start', () => {
  assert.match(job.stderr, /mentu: The client certificate for old\.demo\.test is not valid since \d{4}-.* \[client_certificate_expired\]/);
});

test('the guest finds nothing in the files, and not the passphrase', () => {
  const [bytes, passphrase] = job.stdout.trimEnd().split('\n').slice(-2);
  assert.deepEqual([bytes, passphrase], ['0', '.']);
  assert.doesNotMatch(JSON.stringify(job.flows), /PRIVATE KEY/);
});
