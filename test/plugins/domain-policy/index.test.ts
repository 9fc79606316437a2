import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CaptureHooks, Headers, MentuError, type Connection, type DomainList, type Flow, type JobView } from '../../../core/index.ts';
import type { Verdict } from '../../../core/decision.ts';
import { pluginContext } from '../../../core/plugin-context.ts';
import domainPolicy from '../../../plugins/domain-policy/index.ts';

interface Setting {
  allowed?: string[] | null;
  denied?: string[];
  lists?: DomainList[];
  mode?: 'standard' | 'audit' | 'enforce';
  passthrough?: string[];
  passthroughEch?: string[];
  onPinned?: 'fail' | 'passthrough';
}

interface Traffic {
  protocol?: Connection['protocol'];
  name?: string | null;
  address?: string | null;
  port?: number;
  sni?: string | null;
  authority?: string;
  ech?: boolean;
  pinned?: boolean;
}

interface Outcome {
  connect: Verdict | undefined;
  /** Undefined where the connection was not allowed to make a request, or had none. */
  request: Verdict | undefined;
  annotations: Record<string, unknown>;
}

async function policy({ allowed = null, denied = [], lists, mode = 'standard', passthrough = [], passthroughEch, onPinned }: Setting): Promise<{ hooks: CaptureHooks; warnings: string[] }> {
  const warnings: string[] = [];
  const hooks = new CaptureHooks((_plugin, _hook, error) => {
    throw error;
  });
  const job: JobView = { id: 'job', directory: '/nonexistent', preset: 'sample', lists: lists ?? (allowed === null && denied.length === 0 ? [] : [{ source: 'profile', allowed, denied }]), passthrough, passthroughEch, onPinned, profile: {} };
  await domainPolicy.setup(pluginContext('domain-policy', { mode }, { hooks, job, warn: (_plugin, message) => warnings.push(message) }));
  await hooks.start();
  return { hooks, warnings };
}

function connectionOf({ protocol = 'tls', name = null, address = null, port = 443, sni = null, ech = false, pinned = false }: Traffic): Connection {
  const clientHello = protocol === 'tls' ? { sni, alpn: [], versions: [], ciphers: [], groups: [], signatureAlgorithms: [], ech, ja4: '' } : null;
  return { id: 'conn_1', protocol, client: { address: '10.0.0.2', port: 40_000 }, destination: { name, address, port }, clientHello, pinned, allowance: undefined, annotations: {} };
}

function flowOf(connection: Connection, authority: string): Flow {
  const request = { method: 'GET', scheme: 'https' as const, authority, path: '/', httpVersion: '1.1', headers: Headers.from([['Host', authority]]), url: `https://${authority}/` };
  return { id: 'flow_1', kind: 'http', connection, request, response: null, allowance: connection.allowance, annotations: {}, observe: () => {}, observeMessages: () => {} };
}

const connect = (hooks: CaptureHooks, connection: Connection): Promise<Verdict | undefined> => new Promise((done) => hooks.connect(connection, done));
const request = (hooks: CaptureHooks, flow: Flow): Promise<Verdict | undefined> => new Promise((done) => hooks.request(flow, done));

async function run(setting: Setting, traffic: Traffic): Promise<Outcome> {
  const { hooks } = await policy(setting);
  const connection = connectionOf(traffic);
  const outcome: Outcome = { connect: await connect(hooks, connection), request: undefined, annotations: connection.annotations['domain-policy'] ?? {} };
  if (traffic.authority === undefined || outcome.connect?.action !== 'allow') return outcome;
  const flow = flowOf(connection, traffic.authority);
  outcome.request = await request(hooks, flow);
  outcome.annotations = { ...outcome.annotations, ...flow.annotations['domain-policy'] };
  return outcome;
}

type Expected = 'allow' | { at: 'connect' | 'request'; rule: string; host: string; code?: string };

const denied = (at: 'connect' | 'request', rule: string, host: string, code?: string): Expected => ({ at, rule, host, ...(code ? { code } : {}) });
const MISMATCH = 'allowedDomains: a name unlike the destination';
const NO_ENTRY = 'allowedDomains: no entry (profile)';
const evil = { denied: ['evil.example', '*.bad.example', '192.0.2.66', 'ported.example:8443', '[2001:db8::66]', 'bücher.example'] };
const api = { allowed: ['api.example', '*.cdn.example', 'ported.example:8443', '192.0.2.10', '192.0.2.11:22', '0x01010101'] };

const CASES: readonly (readonly [what: string, setting: Setting, traffic: Traffic, expected: Expected])[] = [
  // Deny lists alone.
  ['a name of no list', evil, { name: 'good.example', sni: 'good.example', authority: 'good.example' }, 'allow'],
  ['a denied name', evil, { name: 'evil.example', sni: 'evil.example' }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied name over plain HTTP', evil, { protocol: 'http', name: 'evil.example', port: 80 }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied name with another protocol', evil, { protocol: 'raw', name: 'evil.example', port: 25 }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a subdomain of a denied name', evil, { name: 'www.evil.example', sni: 'www.evil.example' }, 'allow'],
  ['a denied wildcard', evil, { name: 'a.b.bad.example', sni: 'a.b.bad.example' }, denied('connect', 'deniedDomains: *.bad.example (profile)', 'a.b.bad.example')],
  ['the apex of a denied wildcard', evil, { name: 'bad.example', sni: 'bad.example' }, 'allow'],
  ['a denied IDN in Punycode', evil, { name: 'xn--bcher-kva.example' }, denied('connect', 'deniedDomains: bücher.example (profile)', 'xn--bcher-kva.example')],
  ['a denied address', evil, { address: '192.0.2.66' }, denied('connect', 'deniedDomains: 192.0.2.66 (profile)', '192.0.2.66')],
  ['a denied address behind a name', evil, { name: 'good.example', address: '192.0.2.66' }, denied('connect', 'deniedDomains: 192.0.2.66 (profile)', '192.0.2.66')],
  ['a denied IPv6 address', evil, { address: '2001:db8::66' }, denied('connect', 'deniedDomains: [2001:db8::66] (profile)', '2001:db8::66')],
  ['a denied port', evil, { name: 'ported.example', port: 8443 }, denied('connect', 'deniedDomains: ported.example:8443 (profile)', 'ported.example')],
  ['another port than the denied', evil, { name: 'ported.example', port: 443 }, 'allow'],
  ['a denied server name on a connection to another', evil, { name: 'good.example', sni: 'evil.example' }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied server name on a bare address', evil, { address: '192.0.2.1', sni: 'x.bad.example' }, denied('connect', 'deniedDomains: *.bad.example (profile)', 'x.bad.example')],
  ['a denied authority on a connection to another', evil, { name: 'good.example', sni: 'good.example', authority: 'evil.example' }, denied('request', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied authority in capitals', evil, { name: 'good.example', authority: 'EVIL.Example' }, denied('request', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied authority with a trailing dot and a port', evil, { name: 'good.example', authority: 'evil.example.:443' }, denied('request', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied authority with percents', evil, { name: 'good.example', authority: 'ev%69l.example' }, denied('request', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied authority as IDN', evil, { name: 'good.example', authority: 'BÜCHER.example' }, denied('request', 'deniedDomains: bücher.example (profile)', 'xn--bcher-kva.example')],
  ['a denied authority as a decimal address', evil, { name: 'good.example', authority: '3221226050' }, denied('request', 'deniedDomains: 192.0.2.66 (profile)', '192.0.2.66')],
  ['a denied authority as a hexadecimal address', evil, { name: 'good.example', authority: '0xC0000242:80' }, denied('request', 'deniedDomains: 192.0.2.66 (profile)', '192.0.2.66')],
  ['a denied authority as an octal address', evil, { name: 'good.example', authority: '0300.0.2.0102' }, denied('request', 'deniedDomains: 192.0.2.66 (profile)', '192.0.2.66')],
  ['a denied authority as IPv6', evil, { name: 'good.example', authority: '[2001:DB8:0::66]:443' }, denied('request', 'deniedDomains: [2001:db8::66] (profile)', '2001:db8::66')],
  ['a denied port in the authority alone', evil, { name: 'ported.example', authority: 'ported.example:8443' }, denied('request', 'deniedDomains: ported.example:8443 (profile)', 'ported.example')],
  ['an authority that is none', evil, { name: 'good.example', authority: 'good.example:x' }, denied('request', 'the authority of the request is no host and port', 'good.example:x', 'bad_request')],

  // Allow lists.
  ['an allowed name', api, { name: 'api.example', sni: 'api.example', authority: 'api.example' }, 'allow'],
  ['an allowed name without server name', api, { name: 'api.example', sni: null, authority: 'api.example' }, 'allow'],
  ['an allowed name, its authority in another spelling', api, { name: 'api.example', sni: 'api.example', authority: 'API.example.:443' }, 'allow'],
  ['an allowed name at an odd port', api, { name: 'api.example', port: 12_345, authority: 'api.example:12345' }, 'allow'],
  ['an allowed wildcard', api, { name: 'a.b.cdn.example', sni: 'a.b.cdn.example', authority: 'a.b.cdn.example' }, 'allow'],
  ['the apex of an allowed wildcard', api, { name: 'cdn.example', sni: 'cdn.example' }, denied('connect', NO_ENTRY, 'cdn.example')],
  ['a name of no entry', api, { name: 'other.example', sni: 'other.example' }, denied('connect', NO_ENTRY, 'other.example')],
  ['a name that ends like an allowed one', api, { name: 'notapi.example' }, denied('connect', NO_ENTRY, 'notapi.example')],
  ['an allowed port', api, { name: 'ported.example', port: 8443, authority: 'ported.example:8443' }, 'allow'],
  ['a port that is not allowed', api, { name: 'ported.example', port: 443 }, denied('connect', NO_ENTRY, 'ported.example')],
  ['an authority whose port is not allowed', api, { name: 'ported.example', port: 8443, authority: 'ported.example:443' }, denied('request', NO_ENTRY, 'ported.example')],
  ['an unlike server name', api, { name: 'api.example', sni: 'a.cdn.example' }, denied('connect', MISMATCH, 'a.cdn.example', 'host_mismatch')],
  ['an allowed server name on a connection to another', api, { name: 'other.example', sni: 'api.example' }, denied('connect', NO_ENTRY, 'other.example')],
  ['an allowed authority on a connection to another', api, { name: 'other.example', sni: null, authority: 'api.example' }, denied('connect', NO_ENTRY, 'other.example')],
  ['an unlike authority, though allowed itself', api, { name: 'api.example', sni: 'api.example', authority: 'a.cdn.example' }, denied('request', MISMATCH, 'a.cdn.example', 'host_mismatch')],
  ['an unlike authority', api, { name: 'api.example', sni: 'api.example', authority: 'other.example' }, denied('request', MISMATCH, 'other.example', 'host_mismatch')],
  ['the address as authority of a named destination', api, { name: 'api.example', address: '198.18.0.1', authority: '198.18.0.1' }, denied('request', MISMATCH, '198.18.0.1', 'host_mismatch')],
  ['an allowed bare address', api, { address: '192.0.2.10', authority: '192.0.2.10' }, 'allow'],
  ['an allowed bare address in another spelling of the list', api, { address: '1.1.1.1', authority: '0x1.0x1.257' }, 'allow'],
  ['an allowed bare address by the name of a proxy request', api, { name: '192.0.2.10', authority: '192.0.2.10' }, 'allow'],
  ['a bare address of no entry', api, { address: '192.0.2.99', sni: 'api.example' }, denied('connect', NO_ENTRY, '192.0.2.99')],
  ['an allowed bare address with an allowed server name', api, { address: '192.0.2.10', sni: 'api.example', authority: 'api.example' }, 'allow'],
  ['an allowed bare address with a server name of no entry', api, { address: '192.0.2.10', sni: 'other.example' }, denied('connect', NO_ENTRY, 'other.example')],
  ['an allowed bare address with an authority of no entry', api, { address: '192.0.2.10', authority: 'other.example' }, denied('request', NO_ENTRY, 'other.example')],
  ['another protocol where the entry names the port', api, { protocol: 'raw', address: '192.0.2.11', port: 22 }, 'allow'],
  ['another protocol where the entry names no port', api, { protocol: 'raw', address: '192.0.2.10', port: 22 }, denied('connect', 'allowedDomains: no entry with the port 22, which a protocol other than HTTP needs (profile)', '192.0.2.10')],
  ['anything, with an empty allow list', { allowed: [] }, { name: 'api.example', sni: 'api.example' }, denied('connect', 'allowedDomains: [] (profile)', 'api.example')],
  ['an address, with an empty allow list', { allowed: [] }, { address: '1.1.1.1' }, denied('connect', 'allowedDomains: [] (profile)', '1.1.1.1')],
  ['a look-up, with an empty allow list', { allowed: [] }, { protocol: 'dns', name: 'api.example' }, denied('connect', 'allowedDomains: [] (profile)', 'api.example')],
  ['everything, allowed by *', { allowed: ['*'] }, { name: 'any.example', sni: 'any.example', authority: 'any.example' }, 'allow'],

  // Both, and several.
  ['a name both allowed and denied', { allowed: ['*.example'], denied: ['evil.example'] }, { name: 'evil.example' }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a denied authority under an allow list', { allowed: ['*.example'], denied: ['evil.example'] }, { name: 'api.example', authority: 'evil.example' }, denied('request', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a name that one of two lists does not allow', { lists: [{ source: 'profile', allowed: ['*.example'], denied: [] }, { source: 'preset', allowed: ['api.example'], denied: [] }] }, { name: 'www.example' }, denied('connect', 'allowedDomains: no entry (preset)', 'www.example')],
  ['a name that both lists allow', { lists: [{ source: 'profile', allowed: ['*.example'], denied: [] }, { source: 'preset', allowed: ['api.example'], denied: [] }] }, { name: 'api.example' }, 'allow'],
  ['a name that the second list denies', { lists: [{ source: 'profile', allowed: ['*.example'], denied: [] }, { source: 'preset', allowed: null, denied: ['api.example'] }] }, { name: 'api.example' }, denied('connect', 'deniedDomains: api.example (preset)', 'api.example')],

  // Look-ups: the port is not known yet.
  ['a look-up of an allowed name', api, { protocol: 'dns', name: 'api.example', port: 53 }, 'allow'],
  ['a look-up of a name allowed at some port', api, { protocol: 'dns', name: 'ported.example', port: 53 }, 'allow'],
  ['a look-up of a name of no entry', api, { protocol: 'dns', name: 'other.example', port: 53 }, denied('connect', NO_ENTRY, 'other.example')],
  ['a look-up of a denied name', evil, { protocol: 'dns', name: 'evil.example', port: 53 }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a look-up of what an allowed host offers', api, { protocol: 'dns', name: '_8443._https.api.example', port: 53 }, 'allow'],
  ['a look-up of what an allowed subdomain offers', api, { protocol: 'dns', name: '_sip._tcp.x.cdn.example', port: 53 }, 'allow'],
  ['a look-up of what another host offers', api, { protocol: 'dns', name: '_sip._tcp.other.example', port: 53 }, denied('connect', NO_ENTRY, '_sip._tcp.other.example')],
  ['a look-up of what a denied host offers', evil, { protocol: 'dns', name: '_sip._tcp.evil.example', port: 53 }, denied('connect', 'deniedDomains: evil.example (profile)', 'evil.example')],
  ['a look-up of a name below an allowed host', api, { protocol: 'dns', name: 'x._tcp.api.example', port: 53 }, denied('connect', NO_ENTRY, 'x._tcp.api.example')],
  ['a look-up of a name denied at some port', evil, { protocol: 'dns', name: 'ported.example', port: 8443 }, 'allow'],
];

for (const [what, setting, traffic, expected] of CASES) {
  test(`${what}: ${expected === 'allow' ? 'allowed' : `denied at ${expected.at}`}`, async () => {
    const { connect: atConnect, request: atRequest } = await run(setting, traffic);
    if (expected === 'allow' || expected.at === 'request') assert.equal(atConnect?.action, 'allow', String(atConnect?.rule));
    if (expected === 'allow') {
      if (traffic.authority !== undefined) assert.equal(atRequest?.action, 'allow', String(atRequest?.rule));
      return;
    }
    const { at, ...rest } = expected;
    assert.deepEqual(at === 'connect' ? atConnect : atRequest, { action: 'deny', by: 'domain-policy', ...rest });
    // An audit lets the very same pass, and marks it.
    const audited = await run({ ...setting, mode: 'audit' }, traffic);
    const verdict = at === 'connect' ? audited.connect : audited.request;
    assert.deepEqual(verdict, { action: 'allow', rule: expected.rule, wouldDeny: true, by: 'domain-policy' });
  });
}

test('a rule names the entries that allowed it', async () => {
  const lists = [{ source: 'profile', allowed: ['*.example'], denied: [] }, { source: '--allow', allowed: ['api.example'], denied: [] }];
  assert.equal((await run({ lists }, { name: 'api.example' })).connect?.rule, 'allowedDomains: *.example (profile), api.example (--allow)');
  assert.equal((await run(evil, { name: 'good.example' })).connect?.rule, 'deniedDomains: no entry');
  assert.equal((await run({}, { name: 'good.example' })).connect?.rule, 'no list');
});

test('without a list everything is allowed, and an unlike name is marked', async () => {
  const same = await run({}, { name: 'a.example', sni: 'a.example', authority: 'A.example:443' });
  assert.equal(same.request?.action, 'allow');
  assert.deepEqual(same.annotations, {});
  const sni = await run({}, { name: 'a.example', sni: 'b.example', authority: 'a.example' });
  assert.equal(sni.request?.action, 'allow');
  assert.deepEqual(sni.annotations, { mismatch: 'b.example' });
  assert.deepEqual((await run({}, { name: 'a.example', sni: 'a.example', authority: 'c.example' })).annotations, { mismatch: 'c.example' });
  assert.deepEqual((await run({}, { address: '192.0.2.1', sni: 'a.example', authority: 'a.example' })).annotations, {});
  assert.deepEqual((await run({}, { address: '192.0.2.1', sni: 'a.example', authority: 'b.example' })).annotations, { mismatch: 'b.example' });
  assert.deepEqual((await run(evil, { name: 'a.example', authority: 'c.example' })).annotations, { mismatch: 'c.example' });
  assert.equal((await run({}, { name: 'a.example', authority: 'no host:x' })).request?.action, 'allow', 'what is no host is for the codec to refuse');
});

test('requests of a kept connection are judged each by its own authority', async () => {
  const { hooks } = await policy(api);
  const connection = connectionOf({ name: 'api.example', sni: 'api.example' });
  await connect(hooks, connection);
  const actions: (string | undefined)[] = [];
  for (const authority of ['api.example', 'api.example', 'a.cdn.example', 'api.example', 'API.EXAMPLE', 'evil.example']) {
    actions.push((await request(hooks, flowOf(connection, authority)))?.action);
  }
  assert.deepEqual(actions, ['allow', 'allow', 'deny', 'allow', 'allow', 'deny']);
});

test('a request on a connection that was never judged is judged whole', async () => {
  const { hooks } = await policy(api);
  assert.equal((await request(hooks, flowOf(connectionOf({ name: 'other.example' }), 'api.example')))?.action, 'deny');
});

const PASSTHROUGH: readonly (readonly [what: string, setting: Setting, traffic: Traffic, action: string])[] = [
  ['a destination of the list', { passthrough: ['pinned.example'] }, { name: 'pinned.example', sni: 'pinned.example' }, 'passthrough'],
  ['one without server name', { passthrough: ['pinned.example'] }, { name: 'pinned.example' }, 'passthrough'],
  ['a wildcard', { passthrough: ['*.pinned.example'] }, { name: 'a.pinned.example', sni: 'a.pinned.example' }, 'passthrough'],
  ['a bare address of the list', { passthrough: ['192.0.2.1'] }, { address: '192.0.2.1' }, 'passthrough'],
  ['two names of the list', { passthrough: ['*.pinned.example'] }, { name: 'a.pinned.example', sni: 'b.pinned.example' }, 'passthrough'],
  ['a server name of the list on a connection to another', { passthrough: ['pinned.example'] }, { name: 'other.example', sni: 'pinned.example' }, 'allow'],
  ['a server name of the list on a bare address', { passthrough: ['pinned.example'] }, { address: '192.0.2.1', sni: 'pinned.example' }, 'allow'],
  ['another server name on a connection of the list', { passthrough: ['pinned.example'] }, { name: 'pinned.example', sni: 'other.example' }, 'allow'],
  ['another port', { passthrough: ['pinned.example:443'] }, { name: 'pinned.example', port: 8443 }, 'allow'],
  ['plain HTTP', { passthrough: ['pinned.example'] }, { protocol: 'http', name: 'pinned.example' }, 'allow'],
  ['a look-up', { passthrough: ['pinned.example'] }, { protocol: 'dns', name: 'pinned.example' }, 'allow'],
  ['a denied name', { passthrough: ['evil.example'], ...evil }, { name: 'evil.example', sni: 'evil.example' }, 'deny'],
  ['a name of no entry', { passthrough: ['pinned.example'], ...api }, { name: 'pinned.example', sni: 'pinned.example' }, 'deny'],
  ['a denied server name', { passthrough: ['*'], ...evil }, { name: 'good.example', sni: 'evil.example' }, 'deny'],
  ['an allowed name', { passthrough: ['api.example'], ...api }, { name: 'api.example', sni: 'api.example' }, 'passthrough'],
];

const hidden = { name: 'api.example', sni: 'api.example', ech: true };
const ECH: readonly (readonly [what: string, setting: Setting, traffic: Traffic, expected: string])[] = [
  ['under an allow list', { passthrough: ['api.example'], ...api }, hidden, 'deny ech_unjudgeable'],
  ['under a deny list', { passthrough: ['api.example'], ...evil }, hidden, 'deny ech_unjudgeable'],
  ['without a list', { passthrough: ['api.example'] }, hidden, 'passthrough'],
  ['where its pattern allows it', { passthrough: ['api.example'], passthroughEch: ['api.example'], ...api }, hidden, 'passthrough'],
  ['where another pattern allows it', { passthrough: ['api.example', '*'], passthroughEch: ['*'], ...api }, hidden, 'deny ech_unjudgeable'],
  ['where it is decrypted', api, hidden, 'allow'],
  ['where it is decrypted until it is refused', { passthrough: ['api.example'], onPinned: 'passthrough', ...api }, hidden, 'allow'],
  ['where decryption was refused', { passthrough: ['api.example'], onPinned: 'passthrough', ...api }, { ...hidden, pinned: true }, 'deny ech_unjudgeable'],
  ['in an audit', { passthrough: ['api.example'], mode: 'audit', ...api }, hidden, 'passthrough'],
];

for (const [what, setting, traffic, expected] of ECH) {
  test(`encrypted ClientHello ${what}: ${expected}`, async () => {
    const { connect: verdict } = await run(setting, traffic);
    assert.equal(verdict?.action === 'deny' ? `deny ${verdict.code}` : verdict?.action, expected);
  });
}

test('a name of the list is decrypted until a client has refused our certificate, where the profile says so', async () => {
  const setting = { passthrough: ['api.example'], onPinned: 'passthrough' as const, ...api };
  const name = { name: 'api.example', sni: 'api.example' };
  const first = (await run(setting, name)).connect;
  assert.deepEqual([first?.action, first?.action === 'allow' && first.mayBePinned], ['allow', true]);
  assert.equal((await run(setting, { ...name, pinned: true })).connect?.action, 'passthrough');
  // What no pattern names is decrypted or not at all, whatever its client refuses.
  const other = (await run({ ...setting, passthrough: ['x.example'] }, { ...name, pinned: true })).connect;
  assert.deepEqual([other?.action, other?.action === 'allow' && other.mayBePinned], ['allow', undefined]);
  assert.equal((await run({ passthrough: ['*'], onPinned: 'passthrough', ...evil }, { name: 'evil.example', sni: 'evil.example', pinned: true })).connect?.action, 'deny');
});

for (const [what, setting, traffic, action] of PASSTHROUGH) {
  test(`passthrough, ${what}: ${action}`, async () => assert.equal((await run(setting, traffic)).connect?.action, action));
}

test('an audit passes through what its lists would deny, and marks it', async () => {
  const { connect: verdict, annotations } = await run({ passthrough: ['evil.example'], mode: 'audit', ...evil }, { name: 'evil.example' });
  assert.deepEqual(verdict, { action: 'passthrough', rule: 'passthrough: evil.example', by: 'domain-policy' });
  assert.deepEqual(annotations, { wouldDeny: 'deniedDomains: evil.example (profile)' });
});

test('an audit says at the start that lists are not enforced, and only then', async () => {
  assert.match((await policy({ ...evil, mode: 'audit' })).warnings.join(), /profile are not enforced/);
  assert.deepEqual((await policy({ mode: 'audit' })).warnings, []);
  assert.deepEqual((await policy(evil)).warnings, []);
});

test('enforce needs an allow list, which may be empty', async () => {
  for (const setting of [{}, evil]) {
    await assert.rejects(policy({ ...setting, mode: 'enforce' }), (error: unknown) => error instanceof MentuError && error.code === 'allow_list_missing' && /sandbox\.allowedDomains/.test(error.remedy));
  }
  await policy({ allowed: [], mode: 'enforce' });
  const { connect: verdict } = await run({ ...api, mode: 'enforce' }, { name: 'other.example' });
  assert.equal(verdict?.action, 'deny');
});

test('a bad pattern is refused with its list', async () => {
  await assert.rejects(policy({ denied: ['*foo.com'] }), /\*foo\.com.*deniedDomains \(profile\)/);
  await assert.rejects(policy({ allowed: ['https://a.example'] }), /https:\/\/a\.example.*allowedDomains \(profile\)/);
});
