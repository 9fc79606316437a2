/** The presets in a real job: what each blocks, marks, masks and keeps. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bodyOf } from './stage/origin.ts';
import { Stage } from './stage/stage.ts';

const LIMIT = { timeout: 60_000 };
const SECRETS = ['bearer-secret-8271', 'cookie-secret-8271', 'query-secret-8271', 'field-secret-8271', 'answer-secret-8271', 'set-secret-8271'];
let stage: Stage;

before(async () => {
  stage = await Stage.open(async (request, response) => {
    const body = await bodyOf(request);
    response.setHeader('content-type', 'application/json');
    response.setHeader('set-cookie', 'session=set-secret-8271; Path=/');
    const { headers } = request;
    response.end(JSON.stringify({ access_token: 'answer-secret-8271', saw: { url: request.url, authorization: headers.authorization, cookie: headers.cookie, body: String(body) }, padding: 'x'.repeat(100) }));
  });
});
after(() => stage.close());

/** For a shell's stdin: the summary names the command, and so the command names no secret. */
const REQUEST = `curl -sS -H 'Authorization: Bearer bearer-secret-8271' -H 'Cookie: id=cookie-secret-8271' -H 'Content-Type: application/json' -d '{"password":"field-secret-8271","note":"plain"}' 'https://api.demo.test/login?api_key=query-secret-8271&page=2'`;
const statuses = (...urls: string[]): string[] => ['sh', '-c', urls.map((url) => `curl -sS -o /dev/null -w '%{http_code} ' ${url}`).join('\n')];
const EVIL = { deniedDomains: ['evil.demo.test'], allowedDomains: ['*.demo.test'] };

test('audit blocks nothing, marks what the lists would have denied, and says so at the start', LIMIT, async () => {
  const flags = stage.profile({ sandbox: EVIL, hosts: { 'evil.demo.test': stage.origin.address } });
  const job = await stage.workspace.job([...flags, '--preset', 'audit'], statuses('https://evil.demo.test/', 'https://api.demo.test/'));
  assert.equal(job.stdout, '200 200 ');
  assert.match(job.stderr.split('\n')[0]!, /nothing is blocked/);
  assert.deepEqual(job.flows.map(({ outcome, policy, violation }) => [outcome, policy!.decision, policy!.would_deny, policy!.rule, violation]), [
    ['completed', 'allow', true, 'deniedDomains: evil.demo.test (profile profile.json)', null],
    ['completed', 'allow', undefined, 'allowedDomains: *.demo.test (profile profile.json)', null],
  ]);
  assert.equal(job.summary.would_deny, 1);
  assert.deepEqual(await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id), []);
});

test('enforce without an allow list is an error before anything runs; with one it holds', LIMIT, async () => {
  for (const sandbox of [undefined, { deniedDomains: ['evil.demo.test'] }]) {
    const { code, stdout, stderr } = await stage.workspace.run('mentu-runtime', ['exec', '--interceptor', ...stage.profile(sandbox ? { sandbox } : {}), '--preset', 'enforce', '--', 'echo', 'ran']);
    assert.deepEqual([code, stdout], [125, '']);
    assert.match(stderr, /allow_list_missing|allowedDomains/);
  }
  const job = await stage.workspace.job([...stage.profile({ sandbox: EVIL }), '--preset', 'enforce'], statuses('https://evil.demo.test/', 'https://api.demo.test/', 'https://else.test/'));
  assert.equal(job.stdout, '403 200 403 ');
});

test('minimal keeps heads and no bodies, and enforces', LIMIT, async () => {
  const flags = stage.profile({ sandbox: EVIL });
  const job = await stage.workspace.job([...flags, '--preset', 'minimal'], ['sh', '-c', 'curl -sS -d sent https://api.demo.test/; curl -s https://evil.demo.test/']);
  const [allowed, denied] = job.flows;
  const { request, response } = allowed!;
  assert.deepEqual([request!.body, request!.body_size, request!.body_sha256, request!.body_truncated], [null, 4, null, true]);
  assert.deepEqual([response!.status, response!.body, response!.body_file], [200, null, null]);
  assert.ok(response!.body_size > 100);
  assert.ok(response!.headers.some(([name]) => name.toLowerCase() === 'content-type'));
  assert.equal(denied!.outcome, 'denied');
  assert.deepEqual(bodiesOf(job.folder), []);
});

test('private masks secrets in record, bodies and signals, and forwards them as they are', LIMIT, async () => {
  const job = await stage.workspace.job([...stage.profile({ sandbox: EVIL }), '--preset', 'private'], ['sh'], { input: REQUEST });
  const { saw } = JSON.parse(job.stdout) as { saw: Record<string, string> };
  assert.deepEqual([saw['authorization'], saw['cookie'], saw['url'], saw['body']], ['Bearer bearer-secret-8271', 'id=cookie-secret-8271', '/login?api_key=query-secret-8271&page=2', '{"password":"field-secret-8271","note":"plain"}']);
  assert.equal(job.flows.length, 1);
  assert.match(job.flows[0]!.request!.url, /page=2/);
  assertNoSecret(job.folder);
  assertNoSecret(stage.workspace.home);
  assert.deepEqual(bodiesOf(job.folder), []);
});

test('redact in a preset of the user keeps bodies, masked also under bodies/', LIMIT, async () => {
  stage.workspace.write('masked.yaml', 'extends: standard\nrecord:\n  bodyLimit: 64\nplugins:\n  - domain-policy\n  - redact\n  - jsonl-sink\n  - cir-sink\n');
  const job = await stage.workspace.job([...stage.profile(), '--preset', './masked.yaml'], ['sh'], { input: REQUEST });
  const { request, response } = job.flows[0]!;
  assert.match(request!.body!, /^\{"password":"[^"]*","note":"plain"\}$/);
  assert.ok(response!.body_truncated && response!.body_file !== null && response!.body_sha256 === null, 'cut in the line, whole in its file, without the hash of what was not masked');
  assert.equal(bodiesOf(job.folder).length, 1);
  assert.match(readFileSync(join(job.folder, response!.body_file!), 'utf8'), /x{100}/);
  assertNoSecret(job.folder);
  assertNoSecret(stage.workspace.home);
});

test('standard records secrets as they are: the tests above would see them', LIMIT, async () => {
  const job = await stage.workspace.job(stage.profile(), ['sh'], { input: REQUEST });
  const text = readFileSync(join(job.folder, 'flows.jsonl'), 'utf8');
  for (const secret of SECRETS) assert.ok(text.includes(secret), secret);
});

function bodiesOf(folder: string): string[] {
  return filesBelow(folder).filter((file) => file.includes('/bodies/'));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function assertNoSecret(folder: string): void {
  const files = filesBelow(folder);
  assert.ok(files.length > 0);
  for (const file of files) {
    const content = readFileSync(file, 'latin1');
    for (const secret of SECRETS) assert.ok(!content.includes(secret) && !content.includes(Buffer.from(secret).toString('base64').slice(0, -4)), `${secret} in ${file}`);
  }
}
