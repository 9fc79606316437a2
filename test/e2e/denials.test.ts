/** What the lists deny, by every way that a name can be written or hidden: one shape of answer, no byte upstream, one violation each. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../core/index.ts';
import { Origin, echo } from './stage/origin.ts';
import { BARE_IPV4, Stage } from './stage/stage.ts';
import type { Job, Signal } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
const DENIED_IPV4 = '203.0.113.9'; // 3405803785, 0xcb007109
const FURTHER_IPV4 = '203.0.113.10'; // 3405803786
const STRANGE_IPV4 = '203.0.113.50';
let stage: Stage;
/** Where every denied name would lead, with TLS and without. */
let forbidden: Origin;
let forbiddenPlain: Origin;

before(async () => {
  stage = await Stage.open();
  forbidden = await Origin.open(echo, stage.identity);
  forbiddenPlain = await Origin.open(echo);
});
after(async () => {
  await Promise.all([forbidden.close(), forbiddenPlain.close()]);
  await stage.close();
});

interface Probe {
  readonly name: string;
  /** Arguments of curl; `{}` stands for the path that tells the probe's flow. */
  readonly curl: readonly string[];
  readonly host: string;
  readonly code?: string;
}

const PROBES: readonly Probe[] = [
  { name: 'exact name', curl: ['https://evil.demo.test{}'], host: 'evil.demo.test' },
  { name: 'exact name, odd port', curl: ['https://evil.demo.test:8443{}'], host: 'evil.demo.test' },
  { name: 'wildcard', curl: ['https://a.b.bad.demo.test{}'], host: 'a.b.bad.demo.test' },
  { name: 'case', curl: ['https://EVIL.Demo.TEST{}'], host: 'evil.demo.test' },
  { name: 'case of the entry', curl: ['https://loud.demo.test{}'], host: 'loud.demo.test' },
  { name: 'trailing dot', curl: ['https://evil.demo.test.{}'], host: 'evil.demo.test' },
  { name: 'trailing dot in Host alone', curl: ['-H', 'Host: evil.demo.test.', 'https://api.demo.test{}'], host: 'evil.demo.test' },
  { name: 'IDN', curl: ['https://bücher.test{}'], host: 'xn--bcher-kva.test' },
  { name: 'IDN in punycode', curl: ['https://XN--BCHER-KVA.test{}'], host: 'xn--bcher-kva.test' },
  { name: 'decimal address', curl: ['https://3405803785{}'], host: DENIED_IPV4 },
  { name: 'hexadecimal address', curl: ['https://0xcb007109{}'], host: DENIED_IPV4 },
  { name: 'address whose entry is decimal', curl: [`https://${FURTHER_IPV4}{}`], host: FURTHER_IPV4 },
  { name: 'decimal address in Host alone', curl: ['-H', 'Host: 3405803785', `https://${BARE_IPV4}{}`], host: DENIED_IPV4 },
  { name: 'hexadecimal address in Host alone', curl: ['-H', 'Host: 0xCB.0.0x71.011', `https://${BARE_IPV4}{}`], host: DENIED_IPV4 },
  { name: 'percent-encoded name in Host alone', curl: ['-H', 'Host: %65vil.demo.test', 'https://api.demo.test{}'], host: 'evil.demo.test' },
  { name: 'no entry of the allow list', curl: ['https://stranger.other.test{}'], host: 'stranger.other.test' },
  { name: 'the apex of an allowed wildcard', curl: ['https://demo.test{}'], host: 'demo.test' },
  { name: 'a bare address that is not allowed', curl: ['--resolve', `api.demo.test:443:${STRANGE_IPV4}`, 'https://api.demo.test{}'], host: STRANGE_IPV4 },
  { name: 'a bare address that is denied, under an allowed name', curl: ['--resolve', `api.demo.test:443:${DENIED_IPV4}`, 'https://api.demo.test{}'], host: DENIED_IPV4 },
  { name: 'a denied name as SNI of an allowed destination', curl: ['--connect-to', 'evil.demo.test:443:api.demo.test:443', 'https://evil.demo.test{}'], host: 'evil.demo.test' },
  { name: 'an allowed name as SNI of another allowed destination', curl: ['--connect-to', 'two.demo.test:443:api.demo.test:443', 'https://two.demo.test{}'], host: 'two.demo.test', code: 'host_mismatch' },
  { name: 'a denied Host beside an allowed SNI', curl: ['-H', 'Host: evil.demo.test', 'https://api.demo.test{}'], host: 'evil.demo.test' },
  { name: 'another allowed Host beside an allowed SNI', curl: ['-H', 'Host: two.demo.test', 'https://api.demo.test{}'], host: 'two.demo.test', code: 'host_mismatch' },
  { name: 'an allowed Host on a connection to a denied name', curl: ['-H', 'Host: api.demo.test', 'https://evil.demo.test{}'], host: 'evil.demo.test' },
  { name: 'an allowed SNI and Host on a connection to a denied name', curl: ['--connect-to', 'api.demo.test:443:evil.demo.test:443', 'https://api.demo.test{}'], host: 'evil.demo.test' },
];

const PLAIN: readonly Probe[] = [
  { name: 'plain, exact name', curl: ['http://evil.demo.test{}'], host: 'evil.demo.test' },
  { name: 'plain, an allowed Host on a connection to a denied name', curl: ['-H', 'Host: api.demo.test', 'http://evil.demo.test{}'], host: 'evil.demo.test' },
  { name: 'plain, a denied Host on a connection to an allowed name', curl: ['-H', 'Host: evil.demo.test', 'http://api.demo.test{}'], host: 'evil.demo.test' },
  { name: 'plain, an absolute target with a denied name', curl: ['--request-target', 'http://evil.demo.test{}', '-H', 'Host: evil.demo.test', 'http://api.demo.test/'], host: 'evil.demo.test' },
];

const LISTS = {
  allowedDomains: ['*.demo.test', BARE_IPV4, DENIED_IPV4, FURTHER_IPV4, 'bücher.test'],
  deniedDomains: ['evil.demo.test', '*.bad.demo.test', 'LOUD.Demo.Test.', 'BÜCHER.test', DENIED_IPV4, '3405803786'],
};

interface Outcome {
  readonly status: number;
  readonly http: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Runs probes in one guest, one after the other; what each client saw. */
async function probe(flags: readonly string[], version: string, probes: readonly { curl: readonly string[] }[]): Promise<{ job: Job; outcomes: Outcome[] }> {
  const lines = probes.map(({ curl }, at) => `curl -sS -k -i --max-time 10 ${version} ${curl.map((word) => `'${word.replace('{}', `/probe/${at}`)}'`).join(' ')} </dev/null; printf '\\036'`);
  const job = await stage.workspace.job(flags, ['sh', '-c', lines.join('\n')]);
  const outcomes = job.stdout.split('\x1e').slice(0, -1).map((text, at): Outcome => {
    const end = text.indexOf('\r\n\r\n');
    const [first = '', ...fields] = text.slice(0, end).split('\r\n');
    const status = /^HTTP\/(\S+) (\d{3})/.exec(first);
    assert.ok(status, `probe ${at} was not answered: ${text}${job.stderr}`);
    return {
      http: status[1]!,
      status: Number(status[2]),
      headers: new Map(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()])),
      body: text.slice(end + 4),
    };
  });
  return { job, outcomes };
}

function pins(): Record<string, string> {
  const names = ['evil.demo.test', 'a.b.bad.demo.test', 'loud.demo.test', 'xn--bcher-kva.test', 'stranger.other.test', 'demo.test', DENIED_IPV4, FURTHER_IPV4, STRANGE_IPV4];
  return { 'two.demo.test': stage.origin.address, ...Object.fromEntries(names.map((name) => [name, forbidden.address])) };
}

function assertDenied(probes: readonly Probe[], job: Job, outcomes: readonly Outcome[], signals: readonly Signal[], http: string): void {
  for (const [at, { name, host, code = 'denied' }] of probes.entries()) {
    const { status, headers, body, http: answered } = outcomes[at]!;
    assert.deepEqual([answered, status, headers.get('content-type')], [http, 403, 'application/json'], name);
    const violation = headers.get('x-mentu-violation');
    const told = JSON.parse(body) as Record<string, string>;
    assert.deepEqual([told['error'], told['host'], told['violation'], Object.keys(told).sort()], [code, host, violation, ['error', 'host', 'rule', 'violation']], name);
    assert.ok(!body.includes('127.0.0.1') && !body.includes('198.18.'), `${name}: the answer tells no address`);
    const flows = job.flows.filter(({ request }) => request?.url.endsWith(`/probe/${at}`));
    assert.equal(flows.length, 1, `${name}: one line`);
    const [flow] = flows as [FlowRecord];
    assert.deepEqual([flow.outcome, flow.error!.code, flow.policy!.decision, flow.response!.status, flow.violation!.id, flow.violation!.rule], ['denied', code, 'deny', 403, violation, told['rule']], name);
    const found = signals.filter(({ data }) => data['violation'] === violation);
    assert.deepEqual(found.map(({ type, data }) => [type, data['flow'], data['host'], data['code']]), [['sandbox_violation', flow.id, host, code]], `${name}: one signal`);
  }
  assert.equal(job.flows.length, probes.length, 'no line beside them');
  assert.equal(signals.length, probes.length, 'no violation beside them');
  assert.equal(job.summary.denied, probes.length);
}

for (const [title, version, http] of [['HTTP/1.1', '--http1.1', '1.1'], ['HTTP/2', '--http2', '2']] as const) {
  test(`every way to name what is denied, over ${title}`, LIMIT, async () => {
    const served = stage.origin.seen.length;
    const connected = stage.origin.connections;
    const { job, outcomes } = await probe(stage.profile({ sandbox: LISTS, hosts: pins() }), version, PROBES);
    assertDenied(PROBES, job, outcomes, await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id), http);
    assert.deepEqual([forbidden.connections, forbidden.bytes], [0, 0], 'what is denied is not even connected to');
    assert.equal(stage.origin.seen.length, served, 'no request reached the allowed origin');
    // Its handshake comes before the request that names another host, once for each destination; from then on its protocol is known.
    assert.equal(stage.origin.connections - connected, 2, 'for its name and for its bare address');
  });
}

test('the same on plain HTTP, where nothing is connected to before the request is judged', LIMIT, async () => {
  const { job, outcomes } = await probe(stage.profile({ sandbox: LISTS, hosts: { 'api.demo.test': forbiddenPlain.address, 'evil.demo.test': forbiddenPlain.address } }), '--http1.1', PLAIN);
  assertDenied(PLAIN, job, outcomes, await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id), '1.1');
  assert.deepEqual([forbiddenPlain.connections, forbiddenPlain.bytes], [0, 0]);
});

test('an empty allow list allows nothing, by name or by address', LIMIT, async () => {
  const connected = stage.origin.connections;
  const probes: Probe[] = [
    { name: 'name', curl: ['https://api.demo.test{}'], host: 'api.demo.test' },
    { name: 'address', curl: [`https://${BARE_IPV4}{}`], host: BARE_IPV4 },
  ];
  const { job, outcomes } = await probe(stage.profile({ sandbox: { allowedDomains: [] } }), '--http2', probes);
  assertDenied(probes, job, outcomes, await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id), '2');
  assert.equal(stage.origin.connections, connected);
});

test('networkMode none with the interceptor records and denies everything', LIMIT, async () => {
  const connected = stage.origin.connections;
  const probes: Probe[] = [{ name: 'name', curl: ['https://api.demo.test{}'], host: 'api.demo.test' }, { name: 'address', curl: [`https://${BARE_IPV4}{}`], host: BARE_IPV4 }];
  const { job, outcomes } = await probe(stage.profile({ networkMode: 'none' }), '--http2', probes);
  assertDenied(probes, job, outcomes, await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id), '2');
  assert.equal(stage.origin.connections, connected);
});

test('a private address that is not pinned is refused by the dialler, with the same shape of answer', LIMIT, async () => {
  const probes: Probe[] = [
    { name: 'metadata', curl: ['http://169.254.169.254{}'], host: '169.254.169.254', code: 'address_denied' },
    { name: 'private', curl: ['https://10.1.2.3{}'], host: '10.1.2.3', code: 'address_denied' },
    { name: 'mapped', curl: ['http://[::ffff:10.1.2.3]{}'], host: '10.1.2.3', code: 'address_denied' },
  ];
  const { job, outcomes } = await probe(stage.profile(), '--http1.1', probes);
  assertDenied(probes, job, outcomes, await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id), '1.1');
});

test('--allow and --deny add to the lists, and a denial beats an allowance', LIMIT, async () => {
  const flags = stage.profile({ hosts: { 'two.demo.test': stage.origin.address } });
  const { job, outcomes } = await probe([...flags, '--allow', 'api.demo.test', '--allow', 'two.demo.test', '--deny', 'two.demo.test'], '--http2', [{ curl: ['https://api.demo.test{}'] }, { curl: ['https://two.demo.test{}'] }]);
  assert.deepEqual(outcomes.map(({ status }) => status), [200, 403]);
  assert.deepEqual(job.flows.map(({ policy }) => policy!.rule), ['allowedDomains: api.demo.test (command line)', 'deniedDomains: two.demo.test (command line)']);
});
