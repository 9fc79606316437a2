/** `mentu-runtime proxy` with foreign clients: HTTP and SOCKS on one port, recorded and policed like a guest's flows. */
import assert from 'node:assert/strict';
import { execFile, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../core/index.ts';
import { CHROMIUM, PAGE, chromiumArgs, lacksChromium, servePage } from './stage/chromium.ts';
import { echo, Origin } from './stage/origin.ts';
import { BARE_IPV4, Stage } from './stage/stage.ts';
import { flowsOf, until } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
let stage: Stage;
let plain: Origin;

before(async () => {
  stage = await Stage.open((request, response) => (PAGE[request.url!] ? servePage : echo)(request, response));
  plain = await Origin.open(echo);
  stage.profile({ sandbox: { deniedDomains: ['evil.demo.test'] }, hosts: { 'plain.demo.test': plain.address, 'evil.demo.test': stage.origin.address } });
});
after(async () => {
  await plain.close();
  await stage.close();
});

interface Proxy {
  readonly child: ChildProcess;
  readonly port: number;
  readonly folder: string;
  /** Ends it as Ctrl-C does. */
  stop(): Promise<{ code: number | null; stderr: string; flows: FlowRecord[] }>;
}

async function startProxy({ profile = 'profile.json', listen = '127.0.0.1:0', flags = [] }: { profile?: string; listen?: string; flags?: string[] } = {}): Promise<Proxy> {
  const child = stage.workspace.start('mentu-runtime', ['proxy', '--listen', listen, '--profile', profile, '--ca-out', 'proxy-ca.pem', ...flags]);
  let stderr = '';
  child.stderr!.on('data', (chunk) => (stderr += chunk));
  const closed = once(child, 'close');
  const [, port, path] = await until('the proxy tells its port', () => {
    if (child.exitCode !== null) throw new Error(stderr);
    return /proxy on http:\/\/127\.0\.0\.1:(\d+) .* record in (\S+)/.exec(stderr);
  });
  const folder = stage.workspace.path(path!);
  return {
    child,
    port: Number(port),
    folder,
    stop: async () => {
      child.kill('SIGINT');
      const [code] = (await closed) as [number | null];
      return { code, stderr, flows: flowsOf(folder) };
    },
  };
}

interface Answer {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, ...args: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd: stage.workspace.folder, timeout: 40_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) => resolve({ code: error ? (error.code ?? error.signal ?? 1) : 0, stdout, stderr }));
  });
}

const curl = (...args: string[]): Promise<Answer> => run('curl', '-sS', '--max-time', '15', '--cacert', 'proxy-ca.pem', '--noproxy', '', ...args);

test('curl -x and --socks5-hostname, HTTP/1.1 and HTTP/2, plain and secured: each one line, as from a guest', LIMIT, async () => {
  const proxy = await startProxy();
  const http = `http://127.0.0.1:${proxy.port}`;
  const socks = ['--socks5-hostname', `127.0.0.1:${proxy.port}`];
  const answers = [
    await curl('-x', http, '--http1.1', 'https://api.demo.test/connect-1'),
    await curl('-x', http, '--http2', 'https://api.demo.test/connect-2'),
    await curl(...socks, '--http1.1', 'https://api.demo.test/socks-1'),
    await curl(...socks, '--http2', '-d', 'sent', 'https://api.demo.test/socks-2'),
    await curl('-x', http, 'http://plain.demo.test/absolute'),
    await curl('-x', http, '-p', 'http://plain.demo.test/tunnelled'),
    await curl(...socks, 'http://plain.demo.test/socks-plain'),
    await curl('-x', http, `https://${BARE_IPV4}/bare`),
    await curl('--socks5', `127.0.0.1:${proxy.port}`, `https://${BARE_IPV4}/socks-bare`),
  ];
  const { code, stderr, flows } = await proxy.stop();
  assert.deepEqual(answers.map(({ stdout }) => stdout), ['/connect-1', '/connect-2', '/socks-1', '/socks-2', '/absolute', '/tunnelled', '/socks-plain', '/bare', '/socks-bare'].map((path) => (path === '/socks-2' ? `POST ${path} 4\n` : `GET ${path} 0\n`)), JSON.stringify(answers));
  assert.equal(code, 0);
  assert.match(stderr, /9 flows to 3 hosts, 0 denied, 0 failed[^]*record/);
  assert.deepEqual(
    flows.map(({ request, response, outcome, tls_sni, tls, server }) => [request!.method, request!.url, request!.http_version, response!.status, response!.body, outcome, tls_sni, tls?.version ?? null, server.name]),
    [
      ['GET', 'https://api.demo.test/connect-1', '1.1', 200, 'GET /connect-1 0\n', 'completed', 'api.demo.test', 'TLSv1.3', 'api.demo.test'],
      ['GET', 'https://api.demo.test/connect-2', '2', 200, 'GET /connect-2 0\n', 'completed', 'api.demo.test', 'TLSv1.3', 'api.demo.test'],
      ['GET', 'https://api.demo.test/socks-1', '1.1', 200, 'GET /socks-1 0\n', 'completed', 'api.demo.test', 'TLSv1.3', 'api.demo.test'],
      ['POST', 'https://api.demo.test/socks-2', '2', 200, 'POST /socks-2 4\n', 'completed', 'api.demo.test', 'TLSv1.3', 'api.demo.test'],
      ['GET', 'http://plain.demo.test/absolute', '1.1', 200, 'GET /absolute 0\n', 'completed', null, null, 'plain.demo.test'],
      ['GET', 'http://plain.demo.test/tunnelled', '1.1', 200, 'GET /tunnelled 0\n', 'completed', null, null, 'plain.demo.test'],
      ['GET', 'http://plain.demo.test/socks-plain', '1.1', 200, 'GET /socks-plain 0\n', 'completed', null, null, 'plain.demo.test'],
      ['GET', `https://${BARE_IPV4}/bare`, '2', 200, 'GET /bare 0\n', 'completed', null, 'TLSv1.3', null],
      ['GET', `https://${BARE_IPV4}/socks-bare`, '2', 200, 'GET /socks-bare 0\n', 'completed', null, 'TLSv1.3', null],
    ],
  );
  const signals = await stage.workspace.signals('--job', proxy.folder.split('/').at(-1)!);
  assert.deepEqual(new Set(signals.map(({ id }) => id)), new Set(flows.map(({ id }) => `sig_${id}`)));
});

test('what the lists deny is denied the same way through each', LIMIT, async () => {
  const proxy = await startProxy();
  const http = `http://127.0.0.1:${proxy.port}`;
  const connected = stage.origin.connections;
  const answers = [
    await curl('-i', '-x', http, '--suppress-connect-headers', 'https://evil.demo.test/'),
    await curl('-i', '--socks5-hostname', `127.0.0.1:${proxy.port}`, 'https://evil.demo.test/'),
    await curl('-i', '-x', http, 'http://evil.demo.test/'),
  ];
  const { flows } = await proxy.stop();
  assert.deepEqual(answers.map(({ stdout }) => /^HTTP\/\S+ (403)[^]*x-mentu-violation: (vio_\S+)/i.exec(stdout)?.slice(1)), flows.map(({ violation }) => ['403', violation!.id]));
  assert.equal(flows.length, 3);
  assert.equal(stage.origin.connections, connected);
});

test('it never proxies to itself, by address, by name or by a pin', LIMIT, async () => {
  const probe = createServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  stage.profile({ hosts: { 'loop.demo.test': `127.0.0.1:${port}`, 'any.demo.test': `0.0.0.0:${port}` } }, 'loop.json');
  const proxy = await startProxy({ profile: 'loop.json', listen: `127.0.0.1:${port}` });
  assert.equal(proxy.port, port);
  const http = `http://127.0.0.1:${port}`;
  const answers = [];
  for (const url of [`${http}/`, `http://localhost:${port}/`, 'http://loop.demo.test/', 'http://any.demo.test/']) answers.push(await curl('-o', '/dev/null', '-w', '%{http_code}', '-x', http, url));
  answers.push(await curl('-k', '-o', '/dev/null', '-w', '%{http_code}', '-x', http, 'https://loop.demo.test/'));
  const { flows, stderr } = await proxy.stop();
  assert.deepEqual(answers.map(({ stdout }) => stdout), ['403', '403', '403', '403', '403'], JSON.stringify(answers));
  assert.deepEqual(flows.map(({ outcome, error }) => [outcome, error!.code]), [['denied', 'address_denied'], ['denied', 'address_denied'], ['denied', 'proxy_loop'], ['denied', 'proxy_loop'], ['denied', 'proxy_loop']], stderr);
});

test('--ca-out and --ca-dir: one CA for as long as its folder is kept, its key for its owner alone', LIMIT, async () => {
  const fingerprint = (): string => new X509Certificate(readFileSync(stage.workspace.path('proxy-ca.pem'))).fingerprint256;
  const first = await startProxy();
  await first.stop();
  const ephemeral = fingerprint();
  assert.deepEqual(readdirSync(first.folder).filter((name) => /\.(pem|key)$/.test(name)), [], 'a CA of one job leaves no key');
  const kept = await startProxy({ flags: ['--ca-dir', 'authority'] });
  const mine = fingerprint();
  assert.notEqual(mine, ephemeral);
  await kept.stop();
  const again = await startProxy({ flags: ['--ca-dir', 'authority'] });
  assert.equal(fingerprint(), mine);
  assert.equal((await curl('-x', `http://127.0.0.1:${again.port}`, 'https://api.demo.test/kept')).stdout, 'GET /kept 0\n');
  await again.stop();
  assert.equal(lstatSync(stage.workspace.path('authority')).mode & 0o777, 0o700);
  const files = readdirSync(stage.workspace.path('authority'));
  assert.ok(files.length >= 1);
  for (const file of files) {
    const secret = readFileSync(stage.workspace.path('authority', file), 'latin1').includes('PRIVATE KEY');
    if (secret) assert.equal(lstatSync(stage.workspace.path('authority', file)).mode & 0o777, 0o600, file);
  }
});

test('a port that is taken is an error that says so; Ctrl-C ends an idle proxy at once', LIMIT, async () => {
  const proxy = await startProxy();
  const { code, stderr } = await stage.workspace.run('mentu-runtime', ['proxy', '--listen', `127.0.0.1:${proxy.port}`]);
  assert.notEqual(code, 0);
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${proxy.port}`));
  const started = performance.now();
  assert.equal((await proxy.stop()).code, 0);
  assert.ok(performance.now() - started < 3000);
});

test('Ctrl-C in the middle of a flow ends it, recorded', LIMIT, async () => {
  const endless = await Origin.open((_request, response) => {
    const timer = setInterval(() => (response as { write(text: string): boolean }).write('more '), 20);
    response.once('close', () => clearInterval(timer));
  });
  try {
    stage.profile({ hosts: { 'endless.demo.test': endless.address } }, 'endless.json');
    const proxy = await startProxy({ profile: 'endless.json' });
    const client = curl('-x', `http://127.0.0.1:${proxy.port}`, 'http://endless.demo.test/');
    await until('the flow is under way', () => endless.open === 1);
    const { code, flows } = await proxy.stop();
    assert.deepEqual([code, flows.map(({ outcome, error }) => [outcome, error!.code])], [0, [['aborted', 'shutting_down']]]);
    assert.notEqual((await client).code, 0);
    await until('the origin was told', () => endless.open === 0);
  } finally {
    await endless.close();
  }
});

test('headless Chromium loads a page through it, trusting the CA by managed policy', { timeout: 60_000, skip: lacksChromium }, async () => {
  const proxy = await startProxy();
  // The policy is laid over the browser's configuration in a mount namespace of its own, so that the machine's stays as it is.
  const configuration = stage.workspace.path('chromium');
  if (existsSync('/etc/chromium')) cpSync('/etc/chromium', configuration, { recursive: true });
  mkdirSync(join(configuration, 'policies/managed'), { recursive: true });
  const der = new X509Certificate(readFileSync(stage.workspace.path('proxy-ca.pem'))).raw.toString('base64');
  writeFileSync(join(configuration, 'policies/managed/stage.json'), JSON.stringify({ CACertificates: [der] }));
  const args = chromiumArgs('https://api.demo.test/page', stage.workspace.path('browser'), `--proxy-server=http://127.0.0.1:${proxy.port}`);
  const { stdout, stderr } = await run('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', 'mount --bind "$1" /etc/chromium && shift && exec "$@"', 'sh', configuration, CHROMIUM, ...args);
  const { flows } = await proxy.stop();
  assert.match(stdout, /script ran, width 123px/, stderr.slice(-2000));
  const page = flows.filter(({ kind, server }) => kind === 'http' && server.name === 'api.demo.test');
  assert.deepEqual(page.map(({ request }) => new URL(request!.url).pathname).sort(), ['/page', '/script.js', '/style.css']);
  for (const { outcome, response, request, tls_sni, tls } of page) {
    assert.deepEqual([outcome, response!.status, request!.http_version, tls_sni, tls!.version], ['completed', 200, '2', 'api.demo.test', 'TLSv1.3']);
    assert.equal(response!.body, PAGE[new URL(request!.url).pathname]!.text);
  }
});
