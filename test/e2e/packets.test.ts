/** `interceptor.keyLog` and `interceptor.pcap` of jobs with foreign clients, read by tshark. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bodyOf } from './stage/origin.ts';
import { BARE_IPV6, Stage } from './stage/stage.ts';
import { Traces } from './stage/traces.ts';
import { capinfos, tshark } from './stage/tshark.ts';
import { until } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
const VERSIONS = [['1.2', '1.1'], ['1.2', '2'], ['1.3', '1.1'], ['1.3', '2']] as const;
const BODY = 'what was posted '.repeat(4000);
let stage: Stage;

before(async () => {
  stage = await Stage.open(async (request, response) => {
    const body = await bodyOf(request);
    response.setHeader('x-answer', 'from the origin');
    response.end(`${request.url} had ${body.length} bytes`);
  });
  stage.profile({ interceptor: { keyLog: true, pcap: true } }, 'both.json');
  stage.profile({ interceptor: { keyLog: true } }, 'keys.json');
  stage.profile({ interceptor: { pcap: true } }, 'packets.json');
});
after(() => stage.close());

const curls = VERSIONS.map(([tls, http]) => `curl -sS --tlsv${tls} --tls-max ${tls} --http${http} -d @- https://api.demo.test/tls${tls}/h${http} <<< "$BODY"; echo`);

test('the packets of a guest carry their keys: tshark reads HTTP/1.1 and HTTP/2 whole, over TLS 1.2 and 1.3, IPv4 and IPv6', LIMIT, async () => {
  const began = Date.now();
  const v6 = `curl -sS --http1.1 https://[${BARE_IPV6}]/bare; echo`;
  const { code, stdout, folder, summary } = await stage.workspace.job(['--profile', 'packets.json'], ['bash', '-c', `BODY='${BODY}'\n${[...curls, v6].join('\n')}`]);
  const ended = Date.now();
  const paths = VERSIONS.map(([tls, http]) => `/tls${tls}/h${http}`);
  assert.deepEqual([code, stdout], [0, `${paths.map((path) => `${path} had ${BODY.length} bytes\n`).join('')}/bare had 0 bytes\n`]);
  const file = join(folder, 'traffic.pcapng');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual([summary.pcap, summary.key_log], [file.slice(stage.workspace.folder.length + 1), null]);

  const h1 = tshark(file, 'http.request', ['http.request.method', 'http.request.full_uri', 'http.file_data', 'ipv6.dst']);
  assert.deepEqual(h1.map(([method, uri]) => [method, uri]), [['POST', 'https://api.demo.test/tls1.2/h1.1'], ['POST', 'https://api.demo.test/tls1.3/h1.1'], ['GET', `https://[${BARE_IPV6}]/bare`]]);
  assert.equal(h1[2]![3], BARE_IPV6);
  const answers = tshark(file, 'http.response', ['http.response.code', 'http.response.line']);
  assert.deepEqual(answers.map(([status]) => status), ['200', '200', '200']);
  for (const [, lines] of answers) assert.match(lines!, /x-answer: from the origin/);
  const h2 = tshark(file, 'http2.headers.method', ['http2.headers.method', 'http2.headers.authority', 'http2.headers.path']);
  assert.deepEqual(h2, [['POST', 'api.demo.test', '/tls1.2/h2'], ['POST', 'api.demo.test', '/tls1.3/h2']]);
  assert.deepEqual(tshark(file, 'http2.headers.status', ['http2.headers.status']), [['200'], ['200']]);
  const bodies = [
    ...h1.slice(0, 2).map(([, , body]) => body!.replaceAll('\\n', '\n')),
    ...tshark(file, 'http2.body.reassembled.data && tcp.dstport == 443', ['http2.body.reassembled.data']).map(([body]) => Buffer.from(body!, 'hex').toString()),
  ];
  assert.deepEqual(bodies.map((body) => body === BODY), [true, true, true, true], bodies.map(({ length }) => length).join());
  assert.deepEqual(tshark(file, 'tls.alert_message || _ws.malformed', ['frame.number', 'tls.alert_message.desc']).filter(([, desc]) => desc !== '0'), []);

  const times = tshark(file, 'frame', ['frame.time_epoch']).map(([time]) => Number(time) * 1000);
  assert.ok(times.length > 100 && times.every((time) => time > began && time < ended));
  assert.match(capinfos(file)['Capture application']!, /^mentu-interceptor$/);
});

test('keys.log has the keys of both sides, and decrypts what passes between us and the upstream', { ...LIMIT, skip: process.getuid!() !== 0 && 'capturing on the host needs root' }, async () => {
  const upstream = stage.workspace.path('upstream.pcap');
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-U', '--immediate-mode', '-w', upstream, 'tcp', 'port', `${stage.origin.port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    await once(tcpdump.stderr, 'data'); // it listens
    const { code, folder, summary } = await stage.workspace.job(['--profile', 'both.json'], ['bash', '-c', `BODY='${BODY}'\n${curls.join('\n')}`]);
    assert.equal(code, 0);
    const keys = join(folder, 'keys.log');
    assert.deepEqual([statSync(keys).mode & 0o777, join(stage.workspace.folder, summary.key_log!)], [0o600, keys]);
    const lines = readFileSync(keys, 'utf8').split('\n');
    assert.equal(lines.pop(), '');
    for (const line of lines) assert.match(line, /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$/);
    assert.equal(lines.filter((line) => line.startsWith('CLIENT_RANDOM ')).length, 4, 'two connections of TLS 1.2, each with its two sides');
    assert.equal(lines.filter((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 ')).length, 4);

    const asked = (): string[] => {
      const options = ['-d', `tcp.port==${stage.origin.port},tls`, '-o', `tls.keylog_file:${keys}`];
      return tshark(upstream, 'http.request or http2.headers.method', ['http.request.uri', 'http2.headers.path'], options).map((fields) => fields.join(''));
    };
    await until('tcpdump has written the last packets', () => asked().length === VERSIONS.length);
    assert.deepEqual(asked(), VERSIONS.map(([tls, http]) => `/tls${tls}/h${http}`));
    assert.deepEqual(tshark(join(folder, 'traffic.pcapng'), 'http.request or http2.headers.method', ['frame.number']).length, VERSIONS.length);
  } finally {
    tcpdump.kill();
  }
});

test('HTTP/3 of a guest is read from its packets as well: frames, and what is in DATA', LIMIT, async () => {
  const script = 'timeout 20 gtlsclient -q --exit-on-all-streams-close --timeout=10s api.demo.test 443 https://api.demo.test/over-quic';
  const { flows, folder } = await stage.workspace.job(['--profile', 'packets.json'], ['sh', '-c', script]);
  assert.deepEqual(flows.map(({ http_version, response }) => [http_version, response!.body]), [['3', '/over-quic had 0 bytes']]);
  // Frames of type 0 are DATA, and those of type 1 HEADERS (RFC 9114, section 7.2), whose QPACK it does not decode.
  const frames = tshark(join(folder, 'traffic.pcapng'), 'http3.frame_type', ['udp.srcport', 'http3.frame_type', 'http3.frame_payload']);
  const ofServer = frames.filter(([port]) => port === '443');
  assert.ok(ofServer.some(([, types]) => types!.split(',').includes('1')));
  assert.ok(ofServer.some(([, , payloads]) => payloads?.split(',').includes(Buffer.from('/over-quic had 0 bytes').toString('hex'))));
  assert.ok(frames.some(([port, types]) => port !== '443' && types!.split(',').includes('1')));
});

test('a command that is run again has one file for all of its guests', LIMIT, async () => {
  const { folder, summary } = await stage.workspace.job(['--profile', 'packets.json', '--restart', 'on-failure:1'], ['sh', '-c', 'curl -sS --http1.1 https://api.demo.test/run; exit 3']);
  assert.equal(summary.restarts, 1);
  assert.deepEqual(tshark(join(folder, 'traffic.pcapng'), 'http.request', ['frame.interface_id', 'http.request.uri']), [['0', '/run'], ['1', '/run']]);
});

test('the proxy has no guest: it refuses pcap before it listens, and writes keys', LIMIT, async () => {
  const { code, stderr } = await stage.workspace.run('mentu-runtime', ['proxy', '--listen', '127.0.0.1:0', '--profile', 'packets.json']);
  assert.equal(code, 1);
  assert.match(stderr, /interceptor\.pcap is set by profile packets\.json, and there is no guest .* \[pcap_without_guest\]/);
});

test('kill -9 of mentu-runtime leaves packets that can be read and decrypted, and nothing else', LIMIT, async () => {
  const child = stage.workspace.start('mentu-runtime', ['exec', '--interceptor', '--profile', 'both.json', '--', 'bash', '-c', 'while :; do curl -sS https://api.demo.test/again -o /dev/null; echo done; done'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let done = 0;
  child.stdout!.on('data', (chunk) => (done += String(chunk).split('\n').length - 1));
  child.stderr!.resume();
  await until('requests were made', () => done > 0);
  const before = done;
  await new Promise((resolve) => setTimeout(resolve, 2500)); // they are in the file by then
  const traces = new Traces(child.pid!);
  child.kill('SIGKILL');
  await traces.gone();
  const file = join(stage.workspace.latest, 'traffic.pcapng');
  const paths = tshark(file, 'http2.headers.path', ['http2.headers.path']);
  assert.ok(before > 0 && paths.length >= before, `${paths.length} requests`);
  assert.ok(paths.every(([path]) => path === '/again'));
  assert.match(readFileSync(join(stage.workspace.latest, 'keys.log'), 'utf8'), /^CLIENT_HANDSHAKE_TRAFFIC_SECRET .*\n$/ms);
});
