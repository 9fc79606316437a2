/** Clients with their default trust and no proxy variable: each verifies, succeeds and leaves exactly one line a request. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../core/index.ts';
import { BARE_IPV4, BARE_IPV6, GUEST_NODE, Stage } from './stage/stage.ts';
import { PAGE, chromiumArgs, lacksChromium, servePage } from './stage/chromium.ts';
import { gitBackend, makeRepository } from './stage/git-backend.ts';
import { echo } from './stage/origin.ts';
import type { Job } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
let stage: Stage;

before(async () => {
  stage = await Stage.open((request, response) => {
    if (request.url!.startsWith('/git/')) return gitBackend(stage.workspace.folder)(request, response);
    return (PAGE[request.url!] ? servePage : echo)(request, response);
  });
  stage.profile();
});
after(() => stage.close());

async function inGuest(...command: string[]): Promise<Job> {
  const before = stage.origin.seen.length;
  const job = await stage.workspace.job(['--profile', 'profile.json'], command);
  assert.equal(job.code, 0, job.stderr + job.stdout);
  const seen = stage.origin.seen.slice(before);
  const requests = job.flows.filter(({ kind }) => kind === 'http');
  assert.deepEqual(
    requests.map(({ request }) => `${request!.method} ${new URL(request!.url).pathname}${new URL(request!.url).search}`),
    seen.map(({ method, path }) => `${method} ${path}`),
    'one line for each request that reached the origin',
  );
  return job;
}

interface Expected {
  readonly method?: string;
  readonly path: string;
  readonly authority?: string;
  readonly scheme?: string;
  readonly http: '1.1' | '2';
  readonly tls?: RegExp | null;
  readonly sni?: string | null;
  readonly sent?: string;
}

/** The whole of what the record must say of one request. */
function assertFlow(flow: FlowRecord, { method = 'GET', path, authority = 'api.demo.test', scheme = 'https', http, tls = /^TLSv1\.[23]$/, sni = 'api.demo.test', sent }: Expected): void {
  assert.deepEqual([flow.kind, flow.outcome, flow.error], ['http', 'completed', null]);
  const { request, response } = flow;
  assert.deepEqual([request!.method, request!.url, request!.http_version], [method, `${scheme}://${authority}${path}`, http]);
  assert.deepEqual([response!.status, response!.body], [200, `${method} ${path} ${sent?.length ?? 0}\n`]);
  assert.deepEqual([request!.body, request!.body_size], [sent ?? null, sent?.length ?? 0]);
  assert.equal(flow.tls_sni, sni);
  if (tls === null) assert.equal(flow.tls, null);
  else {
    assert.match(flow.tls!.version!, tls);
    assert.equal(flow.tls!.sni, sni);
    assert.match(flow.upstream!.tls!.version!, tls);
    assert.match(flow.upstream!.tls!.peer_certificate!.issuer, /stage CA/);
  }
}

const URL_OF = (path: string): string => `https://api.demo.test${path}`;

for (const [name, version, http] of [['HTTP/1.1', '--http1.1', '1.1'], ['HTTP/2', '--http2', '2']] as const) {
  test(`curl with ${name}`, LIMIT, async () => {
    const { stdout, flows } = await inGuest('curl', '-sS', version, '-d', 'from curl', URL_OF('/curl'));
    assert.equal(stdout, 'POST /curl 9\n');
    assert.equal(flows.length, 1);
    assertFlow(flows[0]!, { method: 'POST', path: '/curl', http, sent: 'from curl' });
    assert.equal(flows[0]!.upstream!.http_version, http);
  });
}

test('curl with TLS 1.2 alone is recorded as such on both sides', LIMIT, async () => {
  const { flows } = await inGuest('curl', '-sS', '--tls-max', '1.2', URL_OF('/old'));
  assertFlow(flows[0]!, { path: '/old', http: '2', tls: /^TLSv1\.2$/ });
});

test('wget', LIMIT, async () => {
  const { stdout, flows } = await inGuest('wget', '-q', '-O', '-', URL_OF('/wget'));
  assert.equal(stdout, 'GET /wget 0\n');
  assert.equal(flows.length, 1);
  assertFlow(flows[0]!, { path: '/wget', http: '1.1' });
});

test("Node's fetch", LIMIT, async () => {
  const { stdout, flows } = await inGuest(GUEST_NODE, '/guest/fetch.mjs', URL_OF('/fetch'));
  assert.equal(stdout, 'GET /fetch 0\n');
  assert.equal(flows.length, 1);
  // Node 26 offers HTTP/2, Node 24 does not.
  assertFlow(flows[0]!, { path: '/fetch', http: stage.origin.seen.at(-1)!.httpVersion === '2.0' ? '2' : '1.1' });
});

test("Python's urllib", LIMIT, async () => {
  const { stdout, flows } = await inGuest('/usr/bin/python3', '/guest/urllib_get.py', URL_OF('/urllib'));
  assert.equal(stdout, 'GET /urllib 0\n');
  assert.equal(flows.length, 1);
  assertFlow(flows[0]!, { path: '/urllib', http: '1.1' });
});

const lacksRequests = spawnSync('/usr/bin/python3', ['-c', 'import requests']).status !== 0 && "Python's requests is not installed (Debian: python3-requests)";
test("Python's requests", { ...LIMIT, skip: lacksRequests }, async () => {
  const { stdout, flows } = await inGuest('/usr/bin/python3', '/guest/requests_post.py', URL_OF('/requests'), 'a=b');
  assert.equal(stdout, 'POST /requests 3\n');
  assert.equal(flows.length, 1);
  assertFlow(flows[0]!, { method: 'POST', path: '/requests', http: '1.1', sent: 'a=b' });
});

const lacksJava = !existsSync('/usr/bin/java') && 'Java is not installed (Debian: default-jdk-headless)';
test('Java, by both of its clients', { timeout: 60_000, skip: lacksJava }, async () => {
  const { stdout, flows } = await inGuest('java', '/guest/Fetch.java', URL_OF('/java-url'), URL_OF('/java-client'));
  assert.equal(stdout, 'GET /java-url 0\nGET /java-client 0\n');
  assert.equal(flows.length, 2);
  assertFlow(flows[0]!, { path: '/java-url', http: '1.1' });
  assertFlow(flows[1]!, { path: '/java-client', http: '2' });
});

test('openssl s_client with a request piped into it', LIMIT, async () => {
  const script = String.raw`printf 'GET /s_client HTTP/1.1\r\nHost: api.demo.test\r\nConnection: close\r\n\r\n' | openssl s_client -quiet -verify_return_error -connect api.demo.test:443 2>/dev/null`;
  const { stdout, flows } = await inGuest('sh', '-c', script);
  assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/s_client 0\n$/);
  assert.equal(flows.length, 1);
  assertFlow(flows[0]!, { path: '/s_client', http: '1.1' });
});

test('openssl s_client that only shakes hands: verified, and one line that says so', LIMIT, async () => {
  const { stdout, stderr, flows } = await inGuest('sh', '-c', 'openssl s_client -verify_return_error -connect api.demo.test:443 </dev/null');
  assert.match(stdout, /Verify return code: 0 \(ok\)/, stderr);
  assert.equal(flows.length, 1);
  const [flow] = flows;
  assert.deepEqual([flow!.kind, flow!.outcome, flow!.error!.code, flow!.request, flow!.tls_sni, flow!.tls!.version], ['tls', 'aborted', 'no_request', null, 'api.demo.test', 'TLSv1.3']);
});

test('git clones over HTTPS', LIMIT, async () => {
  makeRepository(stage.workspace.folder, 'repo.git', 'content of the clone\n');
  const { stdout, flows } = await inGuest('sh', '-c', `git clone -q ${URL_OF('/git/repo.git')} /tmp/clone && cat /tmp/clone/file`);
  assert.equal(stdout, 'content of the clone\n');
  assert.deepEqual(flows.map(({ request }) => `${request!.method} ${new URL(request!.url).pathname}`), ['GET /git/repo.git/info/refs', 'POST /git/repo.git/git-upload-pack', 'POST /git/repo.git/git-upload-pack']);
  for (const { outcome, response, tls_sni, tls } of flows) assert.deepEqual([outcome, response!.status, tls_sni, tls!.version], ['completed', 200, 'api.demo.test', 'TLSv1.3']);
  assert.match(flows[1]!.request!.body!, /command=ls-refs/);
});

test('headless Chromium, by the managed policy of the guest', { timeout: 60_000, skip: lacksChromium }, async () => {
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['chromium', ...chromiumArgs(URL_OF('/page'), '/tmp/browser')]);
  assert.match(job.stdout, /script ran, width 123px/, job.stderr);
  const page = job.flows.filter(({ kind, server }) => kind === 'http' && server.name === 'api.demo.test');
  assert.deepEqual(page.map(({ request }) => new URL(request!.url).pathname).sort(), ['/page', '/script.js', '/style.css']);
  // It always sends an encrypted_client_hello, real or GREASE: what is decrypted ends on the outer name.
  for (const { request, response, outcome, tls_sni, tls } of page) assert.deepEqual([outcome, response!.status, response!.body, tls_sni, tls!.ech], ['completed', 200, PAGE[new URL(request!.url).pathname]!.text, 'api.demo.test', 'present']);
});

test('a bare IPv4 address and a bare IPv6 address', LIMIT, async () => {
  const { stdout, flows } = await inGuest('sh', '-c', `curl -sS https://${BARE_IPV4}/four && curl -sS 'https://[${BARE_IPV6}]/six'`);
  assert.equal(stdout, 'GET /four 0\nGET /six 0\n');
  assert.equal(flows.length, 2);
  assertFlow(flows[0]!, { path: '/four', authority: BARE_IPV4, http: '2', sni: null });
  assertFlow(flows[1]!, { path: '/six', authority: `[${BARE_IPV6}]`, http: '2', sni: null });
  assert.deepEqual(flows.map(({ server }) => server), [{ name: null, address: BARE_IPV4, port: 443 }, { name: null, address: BARE_IPV6, port: 443 }]);
});

test('an odd port, and a name over IPv6', LIMIT, async () => {
  const { flows } = await inGuest('sh', '-c', 'curl -sS https://api.demo.test:50123/odd && curl -sS -6 https://api.demo.test/v6');
  assert.equal(flows.length, 2);
  assertFlow(flows[0]!, { path: '/odd', authority: 'api.demo.test:50123', http: '2' });
  assert.equal(flows[0]!.server.port, 50123);
  assertFlow(flows[1]!, { path: '/v6', http: '2' });
  assert.match(flows[1]!.client.address, /:/);
});

test('the variables by which clients with a store of their own find the CA', LIMIT, async () => {
  const script = 'for name in DENO_CERT CARGO_HTTP_CAINFO NODE_EXTRA_CA_CERTS SSL_CERT_FILE REQUESTS_CA_BUNDLE GIT_SSL_CAINFO AWS_CA_BUNDLE CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE GRPC_DEFAULT_SSL_ROOTS_FILE_PATH; do eval "file=\\$$name"; echo $name $(tail -n 3 "$file" | grep -c "END CERT"); done; env | grep -ic _proxy';
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['sh', '-c', script]);
  const lines = job.stdout.trimEnd().split('\n');
  assert.equal(lines.pop(), '0', 'no proxy variable');
  assert.equal(lines.length, 9);
  for (const line of lines) assert.match(line, /^[A-Z_]+ 1$/);
});
