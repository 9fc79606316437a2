/** An installation without the optional package of QUIC: UDP 443 is answered so that clients come by TCP at once, and the programs say so. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Caddy } from '../stage/caddy.ts';
import { GUEST_NODE, Stage } from './stage/stage.ts';

const LIMIT = { timeout: 60_000 };
const ROOT = join(import.meta.dirname, '../..');
const MODULES = realpathSync(join(ROOT, 'node_modules'));
const HOST = 'h3.demo.test';
/** This tree, and all of its packages but those of QUIC. */
const installation = mkdtempSync(join(tmpdir(), 'without-quic-'));
let stage: Stage;
let caddy: Caddy;

before(async () => {
  for (const name of ['cli', 'core', 'plugins', 'presets', 'package.json']) cpSync(join(ROOT, name), join(installation, name), { recursive: true });
  mkdirSync(join(installation, 'node_modules'));
  for (const name of readdirSync(MODULES)) if (name !== '@matrixai' && name !== '.cache') symlinkSync(join(MODULES, name), join(installation, 'node_modules', name));
  stage = await Stage.open(undefined, join(installation, 'cli/bin'));
  caddy = await Caddy.open({ identity: stage.identity, host: HOST });
  stage.profile({ hosts: { [HOST]: `127.0.0.1:${caddy.port}` }, mounts: [{ source: MODULES, destination: '/opt/modules/node_modules', readOnly: true }] });
});
after(async () => {
  await caddy?.[Symbol.asyncDispose]();
  await stage?.close();
  rmSync(installation, { recursive: true, force: true });
});

const IMPIT = `const { Impit } = await import('/opt/modules/node_modules/impit/index.wrapper.js').then((module) => module.default ?? module);
const got = await new Impit({ http3: true, ignoreTlsErrors: true }).fetch('https://${HOST}/hello');
console.log('impit', got.status, await got.text());`;
/** A first datagram of QUIC version 1 (RFC 9000, section 17.2.2), as far as anybody must understand it. */
const KNOCK = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(('${HOST}', 443))
s.send((bytes.fromhex('c00000000108') + bytes(8)).ljust(1200, b'\\0'))
try: s.recv(1)
except OSError as error: print(type(error).__name__)`;

test('a client of HTTP/3 is turned away at once, and those that can come by TCP do', LIMIT, async () => {
  // ngtcp2's client hears no ICMP, and has a second.
  const script = `
python3 -c "$KNOCK"
timeout 20 gtlsclient --exit-on-all-streams-close --handshake-timeout=1s ${HOST} 443 https://${HOST}/hello 2>&1 | grep -a -E 'Received packet|ERR_HANDSHAKE_TIMEOUT'
curl -sSi https://${HOST}/hello | tr -d '\\r'
echo
${GUEST_NODE} --input-type=module -e "$IMPIT"`;
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['env', `IMPIT=${IMPIT}`, `KNOCK=${KNOCK}`, 'sh', '-c', script]);
  assert.equal(job.code, 0, job.stderr);
  assert.match(job.stdout, /^ConnectionRefusedError\n.*ERR_HANDSHAKE_TIMEOUT\nHTTP\/2 200 \n[^]*\n\nhello from caddy\nimpit 200 hello from caddy\n$/, job.stderr);
  assert.doesNotMatch(job.stdout, /alt-svc|Received/i);
  const pages = job.flows.filter(({ kind }) => kind !== 'udp');
  const refused = job.flows.filter(({ kind }) => kind === 'udp');
  // By IPv4 and by IPv6.
  assert.deepEqual(refused.map(({ outcome, error, server, violation }) => [outcome, error!.code, server.name, server.port, violation]), Array(2).fill(['failed', 'http3_unavailable', HOST, 443, null]));
  assert.deepEqual(pages.map(({ kind, outcome, server }) => [kind, outcome, server.name]), Array(2).fill(['http', 'completed', HOST]));
  for (const { annotations } of pages) assert.match(JSON.stringify(annotations['core']), /alt_svc_removed.*h3=/);
  assert.ok(job.summary.dropped_packets!.udp >= 2);
});

test('doctor says so, and lacks nothing', LIMIT, async () => {
  const { code, stdout } = await stage.workspace.run('mentu-runtime', ['doctor']);
  assert.match(stdout, /^HTTP\/3: refused, so that clients fall back to TCP, for QUIC cannot be spoken here: Cannot find package '@matrixai\/quic'.*\n +npm install --include=optional @matrixai\/quic$/m);
  assert.equal(code, 0, stdout);
});

test('a proxy that is to take HTTP/3 does not start', LIMIT, async () => {
  const { code, stdout, stderr } = await stage.workspace.run('mentu-runtime', ['proxy', '--listen', '127.0.0.1:0', '--http3-listen', '127.0.0.1:0'], { timeout: 15_000 });
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^mentu-runtime proxy: HTTP\/3 was refused, because QUIC cannot be spoken here: .*\[http3_unavailable\].*npm install --include=optional/);
});
