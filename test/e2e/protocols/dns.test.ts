/** Look-ups of names from a guest, by BIND's own clients and curl, at BIND: what comes back, what is recorded, what never leaves. */
import { Validator } from '@cfworker/json-schema';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { flowRecordSchema, type DnsRecord, type FlowRecord } from '../../../core/index.ts';
import { Bind } from '../stage/bind.ts';
import { BARE_IPV4, Stage } from '../stage/stage.ts';
import type { Job } from '../stage/workspace.ts';
import { row } from './row.ts';

const SOA = '$TTL 300\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n';
const LONG = Array.from({ length: 90 }, (_, i) => `long TXT "number ${i} of many texts that do not fit in a datagram"\n`).join('');
/** A name of each type, and what the record is to show of it, where that is not what dig shows. */
const TYPES: readonly (readonly [name: string, type: string, data: string, shown?: string])[] = [
  ['@', 'MX', '10 mail.zone.test.'],
  ['@', 'TXT', '"v=spf1 -all" "second \\"string\\""'],
  ['_sip._tcp', 'SRV', '5 10 5060 mail.zone.test.'],
  ['@', 'CAA', '0 issue "ca.test"'],
  ['@', 'NAPTR', '100 10 "S" "SIP+D2T" "" _sip._tcp.zone.test.'],
  ['@', 'HTTPS', '1 . alpn="h3,h2" ipv4hint=203.0.113.7 ech=AEX+DQBB ipv6hint=2001:db8::7', '1 . alpn=h2'],
  ['_foo', 'SVCB', '1 svc.zone.test. mandatory=alpn,ipv4hint alpn="foo" port=8443 ipv4hint=203.0.113.8', '1 svc.zone.test. mandatory=alpn alpn=foo port=8443'],
  ['_443._tcp', 'TLSA', '3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'],
  ['@', 'SSHFP', '4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789'],
  ['@', 'HINFO', '"x86" "linux"'],
  ['@', 'LOC', '52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m', '\\# 16 000016138b3cf018810cbce0009895b8'],
  ['@', 'URI', '10 1 "https://zone.test/path"'],
  ['@', 'RP', 'admin.zone.test. .'],
  ['@', 'AFSDB', '1 mail.zone.test.'],
  ['sub', 'DS', '60485 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'],
  ['dname', 'DNAME', 'zone.test.'],
  ['alias', 'CNAME', 'zone.test.'],
  ['@', 'TYPE65280', '\\# 4 0a000001'],
];
const ZONE = `${SOA}${TYPES.map(([name, type, data]) => `${name} ${type} ${data}\n`).join('')}mail A 203.0.113.25\nmail AAAA 2001:db8::25\n@ A 203.0.113.1\n@ AAAA 2001:db8::1\nsub NS ns\nchain CNAME alias\n${LONG}`;
const nameOf = (name: string): string => (name === '@' ? 'zone.test' : `${name}.zone.test`);
/** Asked besides; of `ANY` BIND gives all that there is. */
const QUESTIONS = [...TYPES.map(([name, type]) => `${nameOf(name)} ${type}`), 'zone.test NS', 'zone.test SOA', 'zone.test DNSKEY', 'gone.zone.test MX', 'chain.zone.test MX', 'zone.test ANY'];
/** The look-ups of the guest, each part after a line with its name. */
const DIG = 'dig +noall +answer +nocookie +tries=1';
const SCRIPT = `
part() { echo "== $1"; shift; "$@"; }
for q in ${QUESTIONS.map((question) => `"${question}"`).join(' ')}; do part "$q" ${DIG} $q; done
part "over TCP" ${DIG} +tcp zone.test MX
part "long" ${DIG} long.zone.test TXT
part "long, large" ${DIG} +bufsize=4096 +ignore mail.zone.test TXT
part "signed" ${DIG} +comments +dnssec zone.test TXT
part "subnet" ${DIG} +subnet=192.0.2.0/24 zone.test CAA
part "addresses" sh -c 'getent ahostsv4 zone.test; getent ahostsv6 zone.test; getent hosts $(getent ahostsv4 zone.test | cut -d" " -f1 | head -1)'
for t in MX TXT HTTPS ANY; do part "denied $t" dig +noall +comments +tries=1 x.denied.test $t; done
part "denied address" sh -c 'getent ahosts denied.test | wc -l'
part "chaos" dig +noall +comments +tries=1 CH TXT version.bind
part "transfer" dig +tries=1 AXFR zone.test
part "over TLS" sh -c 'timeout 2 dig -4 +tls +tries=1 +short @dot.demo.test zone.test SOA; echo "then $(dig +short zone.test SOA)"'
part "over HTTPS" dig +https +noall +answer +tries=1 @doh.demo.test zone.test MX
part "curl" curl -sS --doh-url https://doh.demo.test/dns-query https://www.demo.test/over-https
`;

let stage: Stage;
let bind: Bind;
let job: Job;
let parts: Map<string, string>;
before(async () => {
  stage = await Stage.open();
  bind = await Bind.open(stage.workspace.path('bind'), { 'zone.test': ZONE, 'demo.test': `${SOA}www A ${BARE_IPV4}\n` });
  const flags = stage.profile({
    sandbox: { deniedDomains: ['denied.test', '*.denied.test'] },
    hosts: { 'doh.demo.test': `127.0.0.1:${bind.httpsPort}`, 'dot.demo.test': `127.0.0.1:${bind.port}` },
    interceptor: { dnsServers: [`127.0.0.1:${bind.port}`] },
  });
  job = await stage.workspace.job(flags, ['bash', '-c', SCRIPT], { timeout: 100_000 });
  parts = new Map(job.stdout.split('== ').slice(1).map((text) => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]));
}, { timeout: 110_000 });
after(async () => {
  await bind?.close();
  await stage.close();
});

/** HTTP/3 is offered once QUIC is ready, which may be after the question. */
const withoutHttp3 = (line: string): string => line.replace('h3,', '');
/** dig's lines without what stands for white space alone: name, class, type and data. */
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith(';')).map(withoutHttp3).map((line) => line.replace(/\s+/g, ' ').replace(/^(\S+) \d+ /, '$1 ')).sort();
const directly = (...args: string[]): string[] => linesOf(execFileSync('dig', [...DIG.split(' ').slice(1), '-p', String(bind.port), '@127.0.0.1', ...args], { encoding: 'utf8' }));
const lookups = (name: string, type: string): (FlowRecord & { dns: DnsRecord })[] => job.lines.filter(({ kind, dns }) => kind === 'dns' && dns!.name === name && dns!.type === type) as (FlowRecord & { dns: DnsRecord })[];
const isAddress = (line: string): boolean => / IN (?:A|AAAA|RRSIG (?:A|AAAA)) /.test(line);
/** What the guest is not to get of an HTTPS or SVCB record. */
const withoutHints = (line: string): string => line.replace(/ (?:ipv4hint|ipv6hint|ech)=\S+/g, '').replace(/,ipv4hint(?= )/, '');

row({ client: 'dig', server: 'BIND 9', protocol: 'DNS over UDP, every type', result: '24 flows, the answers of BIND without addresses, hints and ECH keys' }, async () => {
  assert.equal(job.code, 0, job.stderr);
  for (const question of QUESTIONS) {
    const [name, type] = question.split(' ') as [string, string];
    const shown = linesOf(parts.get(question)!).filter((line) => !/ IN (?:RRSIG|NSEC|TYPE65534) /.test(line) || type !== 'ANY');
    const expected = directly('+tcp', name, type).map(withoutHints).filter((line) => !isAddress(line) && (!/ IN (?:RRSIG|NSEC|TYPE65534) /.test(line) || type !== 'ANY'));
    assert.deepEqual(shown, expected, question);
    // dig asks for ANY over TCP.
    const flow = lookups(name, type).find(({ dns }) => dns.transport === (type === 'ANY' ? 'tcp' : 'udp'))!;
    const { outcome, policy, server, upstream, violation, dns, annotations } = flow;
    assert.deepEqual([outcome, policy!.decision, server.name, server.port, upstream!.address, upstream!.port, violation], ['completed', 'allow', name, 53, '127.0.0.1', bind.port, null], question);
    assert.deepEqual([dns.class, dns.code, dns.synthetic, dns.edns], ['IN', name.startsWith('gone') ? 'NXDOMAIN' : 'NOERROR', false, { version: 0, payload_size: 1232, dnssec_ok: false }], question);
    assert.equal(annotations['dns-signals']!['parent'], 'zone.test');
  }
  for (const [name, type, data, shown = data] of TYPES) {
    assert.deepEqual(lookups(nameOf(name), type)[0]!.dns.answers.map((answer) => ({ ...answer, data: withoutHttp3(answer.data) })), [{ name: nameOf(name), type, ttl: 300, data: shown }], type);
  }
  assert.deepEqual(lookups('chain.zone.test', 'MX')[0]!.dns.answers.map(({ name, type, data }) => `${name} ${type} ${data}`), ['chain.zone.test CNAME alias.zone.test.', 'alias.zone.test CNAME zone.test.', 'zone.test MX 10 mail.zone.test.']);
  return `${QUESTIONS.length} flows, the answers of BIND without addresses, hints and ECH keys`;
});

row({ client: 'dig', server: 'BIND 9', protocol: 'DNS over TCP', result: 'truncated over UDP, 90 records over TCP' }, async () => {
  assert.deepEqual(linesOf(parts.get('over TCP')!), directly('zone.test', 'MX'));
  assert.equal(lookups('zone.test', 'MX').filter(({ dns }) => dns.transport === 'tcp').length, 1);
  assert.deepEqual(linesOf(parts.get('long')!).length, 90);
  const [udp, tcp] = lookups('long.zone.test', 'TXT');
  assert.deepEqual([udp!.dns.transport, udp!.dns.truncated, udp!.dns.answers.length, tcp!.dns.transport, tcp!.dns.truncated, tcp!.server.address], ['udp', true, 0, 'tcp', false, tcp!.server.address]);
  assert.match(tcp!.server.address!, /^[\d.]+$|:/);
  assert.equal(lookups('mail.zone.test', 'TXT')[0]!.dns.edns!.payload_size, 4096);
  return `truncated over UDP, ${tcp!.dns.answers.length} records over TCP`;
});

row({ client: 'dig +dnssec', server: 'BIND 9', protocol: 'DNSSEC', result: 'signatures passed, DO echoed' }, async () => {
  const text = parts.get('signed')!;
  assert.deepEqual(linesOf(text), directly('+dnssec', 'zone.test', 'TXT'));
  assert.match(text, /flags:; udp: 1232|flags: do; udp: 1232/);
  const flow = lookups('zone.test', 'TXT').find(({ dns }) => dns.edns?.dnssec_ok)!;
  assert.deepEqual(flow.dns.answers.map(({ type }) => type).sort(), ['RRSIG', 'TXT']);
  assert.match(flow.dns.answers.find(({ type }) => type === 'RRSIG')!.data, /^TXT 13 2 300 \d{14} \d{14} \d+ zone\.test\. [\w+/]{80,}={0,2}$/);
  assert.equal(lookups('zone.test', 'CAA').length, 2, 'with a client subnet, which stays here');
  return /flags: do;/.test(text) ? 'signatures passed, DO echoed' : text;
});

row({ client: 'getent', server: 'BIND 9', protocol: 'addresses', result: 'synthetic, and back to the name' }, async () => {
  assert.match(parts.get('addresses')!, /^198\.18\.\d+\.\d+ +STREAM zone\.test\n[^]*^fd4d:656e:7475::\S+ +STREAM[^]*^198\.18\.\S+ +zone\.test$/m);
  const [flow] = lookups('zone.test', 'A');
  assert.deepEqual([flow!.dns.synthetic, flow!.dns.code, flow!.upstream], [true, 'NOERROR', null]);
  assert.ok(job.lines.some(({ dns }) => dns?.type === 'PTR' && dns.answers[0]?.data === 'zone.test.'));
  return 'synthetic, and back to the name';
});

row({ client: 'dig', server: 'none: a denied name', protocol: 'DNS', result: 'REFUSED, 4 violations, no byte leaves' }, async () => {
  const types = ['MX', 'TXT', 'HTTPS', 'ANY'];
  for (const type of types) assert.match(parts.get(`denied ${type}`)!, /status: REFUSED/, type);
  const flows = types.flatMap((type) => lookups('x.denied.test', type));
  const rule = 'deniedDomains: *.denied.test (profile profile.json)';
  for (const { outcome, error, dns, violation } of flows) assert.deepEqual([outcome, error!.code, dns.code, violation!.rule, violation!.host, violation!.by], ['denied', 'denied', 'REFUSED', rule, 'x.denied.test', 'domain-policy']);
  const signals = await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id, '--where', 'kind=dns');
  assert.deepEqual(signals.map(({ data }) => data['violation']).sort(), flows.map(({ violation }) => violation!.id).sort());
  assert.notEqual(parts.get('denied address'), '0\n');
  assert.deepEqual(lookups('denied.test', 'A').concat(lookups('denied.test', 'AAAA')).map(({ outcome, policy, violation }) => [outcome, policy!.decision, violation]), [['completed', 'deny', null], ['completed', 'deny', null]]);
  assert.deepEqual(bind.asked.filter((question) => question.includes('denied')), []);
  return `REFUSED, ${signals.length} violations, no byte leaves`;
});

row({ client: 'dig +tls', server: 'none: port 853', protocol: 'DNS over TLS', result: '1 flow, reset, dns_over_tls_refused' }, async () => {
  // The reset comes at once; whether dig says so depends on where it meets it. Who asks again without TLS is told.
  assert.match(parts.get('over TLS')!, /^(?:;; Connection to \S+ for zone\.test failed: connection reset\.\n;; no servers could be reached\n)?then ns\.zone\.test\. admin\.zone\.test\. \d+ 3600 600 86400 60\n$/);
  const flows = job.flows.filter(({ server }) => server.port === 853);
  assert.deepEqual(flows.map(({ kind, outcome, violation }) => [kind, outcome, violation!.code]), [['tcp', 'denied', 'dns_over_tls_refused']]);
  return `${flows.length} flow, reset, ${flows[0]!.error!.code}`;
});

row({ client: 'curl --doh-url, dig +https', server: 'BIND 9', protocol: 'DNS over HTTPS', result: '3 flows of HTTP/2 with question and answer' }, async () => {
  assert.equal(parts.get('curl'), 'GET /over-https 0\n');
  assert.deepEqual(linesOf(parts.get('over HTTPS')!), directly('zone.test', 'MX'));
  const flows = job.flows.filter(({ dns }) => dns !== undefined);
  assert.deepEqual(flows.map(({ kind, http_version, server, dns }) => [kind, http_version, server.name, dns!.transport, dns!.name, dns!.type, dns!.code, dns!.synthetic, dns!.answers.map(({ data }) => data).join()]).sort(), [
    ['http', '2', 'doh.demo.test', 'https', 'www.demo.test', 'A', 'NOERROR', false, BARE_IPV4],
    ['http', '2', 'doh.demo.test', 'https', 'www.demo.test', 'AAAA', 'NOERROR', false, ''],
    ['http', '2', 'doh.demo.test', 'https', 'zone.test', 'MX', 'NOERROR', false, '10 mail.zone.test.'],
  ]);
  const [page] = job.flows.filter(({ request }) => request?.url.endsWith('/over-https'));
  assert.deepEqual([page!.server, page!.tls_sni], [{ name: null, address: BARE_IPV4, port: 443 }, 'www.demo.test']);
  return `${flows.length} flows of HTTP/2 with question and answer`;
});

test('what is not served gets its code, and every look-up is one line', () => {
  assert.match(parts.get('chaos')!, /status: REFUSED/);
  assert.match(parts.get('transfer')!, /Transfer failed/);
  const codes = job.lines.filter(({ kind, outcome }) => kind === 'dns' && outcome === 'failed').map(({ error, dns }) => `${dns!.class} ${dns!.type} ${dns!.code} ${error!.code}`);
  assert.deepEqual(codes.sort(), ['CH TXT REFUSED dns_unsupported', 'IN AXFR NOTIMP dns_unsupported']);
  const validator = new Validator(flowRecordSchema as never, '2020-12', false);
  for (const line of job.lines) assert.deepEqual(validator.validate(line).errors, [], JSON.stringify(line));
  assert.deepEqual([job.summary.lookups, job.summary.flows], [job.lines.length - job.flows.length, job.lines.length]);
});
