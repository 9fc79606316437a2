/** Secrets in names that are looked up over HTTPS: in the question and the answer, and in the address and the bodies, where they are written in another way. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { CaptureHooks } from '../../../core/hooks.ts';
import type { FlowRecord, HeaderPairs } from '../../../core/index.ts';
import { pluginContext } from '../../../core/plugin-context.ts';
import { BodyStore } from '../../../core/recorder/bodies.ts';
import { CompletedRecord } from '../../../core/recorder/completed-record.ts';
import redact from '../../../plugins/redact/index.ts';
import { sampleParts, sampleRecord } from '../../core/sample-record.ts';

const SECRET = 'ghp_abcdefghijklmnopqrstuvwxyz012345';
/** Found in the text of a name, and in no message: there its dots are lengths. */
const DOTTED = 'card.4111.2222.3333';
const PATTERNS = ['card(\\.[0-9]{4}){3}'];
let job: string;
let store: BodyStore;
beforeEach(() => {
  job = mkdtempSync(join(tmpdir(), 'mentu-redact-'));
  store = new BodyStore(job, { quota: 1 << 30, warn: (error) => assert.fail(error) });
});
afterEach(async () => {
  await store.close();
  rmSync(job, { recursive: true });
});

async function seen(record: FlowRecord): Promise<FlowRecord> {
  const hooks = new CaptureHooks((plugin, hook, error) => assert.fail(`${plugin} ${hook} ${String(error)}`));
  const view = { id: 'job_1', directory: job, preset: 'standard', lists: [], passthrough: [], profile: {} };
  await redact.setup(pluginContext('redact', { headers: [], fields: [], patterns: PATTERNS, keep: [] }, { hooks, job: view, warn: () => {} }));
  const lines: string[] = [];
  hooks.forPlugin('watch').onFlowComplete.sink.tap('watch', (flow) => void lines.push(flow.line));
  await new Promise<void>((resolve) => hooks.complete(new CompletedRecord(record, store), resolve));
  return JSON.parse(lines[0]!) as FlowRecord;
}

async function stored(bytes: Buffer): Promise<string> {
  const spool = store.create()!;
  spool.write(bytes);
  return (await new Promise<string | null>((resolve) => store.commit(spool, 'f'.repeat(64), resolve)))!;
}

const TYPE = ['content-type', 'application/dns-message'] as const;
const base64 = (bytes: Buffer) => ({ body: bytes.toString('base64'), body_encoding: 'base64', body_size: bytes.length, headers: [[...TYPE]] as HeaderPairs }) as const;
const question = (name: string): Buffer => codec.encode({ type: 'query', id: 0, questions: [{ name, type: 'TXT' }] });
const answer = (name: string): Buffer => codec.encode({ type: 'response', id: 0, questions: [{ name, type: 'TXT' }], answers: [{ type: 'TXT', name, ttl: 1, data: ['x'] }] });
const looksUp = (record: FlowRecord, name: string): FlowRecord => ({ ...record, dns: { ...sampleParts().dns, transport: 'https', name, answers: [] } });

/** No message in the record, in base64 of either alphabet, has a label of the name. */
function assertGone(record: FlowRecord, label: string): void {
  const text = JSON.stringify(record);
  assert.ok(!text.includes(label), text);
  for (const [word] of text.matchAll(/[A-Za-z0-9+/_-]{16,}={0,2}/g)) assert.ok(!Buffer.from(word, 'base64').toString('latin1').includes(label), word);
}

for (const [secret, label] of [[SECRET, SECRET], [DOTTED, '4111']] as const) {
  const name = `${secret}.t.example`;

  test(`GET: ${secret}`, async () => {
    const asked = question(name).toString('base64url');
    const url = `https://doh.example/dns-query?ct=1&dns=${asked}&x=2`;
    const redirect: HeaderPairs = [['Location', `https://other.example/q?dns=${asked}#top`], ['Link', `</dns-query?dns=${asked}>; rel=self`]];
    const record = await seen(looksUp(sampleRecord({ method: 'GET', url, body: null, body_size: 0, headers: [['Accept', TYPE[1]], ['Referer', url]] }, { ...base64(answer(name)), headers: [[...TYPE], ...redirect] }), name));
    assertGone(record, label);
    assert.equal(record.dns!.name, '[redacted].t.example');
    assert.equal(record.request!.url, 'https://doh.example/dns-query?ct=1&dns=[redacted]&x=2');
    assert.deepEqual(record.request!.headers, [['Accept', 'application/dns-message'], ['Referer', 'https://doh.example/dns-query?ct=1&dns=[redacted]&x=2']]);
    assert.deepEqual(record.response!.headers.slice(1), [['Location', 'https://other.example/q?dns=[redacted]#top'], ['Link', '</dns-query?dns=[redacted]>; rel=self']]);
    const { body, body_sha256, body_truncated } = record.response!;
    assert.deepEqual([body, body_sha256, body_truncated], [null, null, true]);
    assert.deepEqual(record.annotations['redact']!['dropped'], [{ side: 'response', reason: 'it looks up a name that is masked' }]);
  });

  test(`POST, with a file: ${secret}`, async () => {
    const file = await stored(answer(name));
    const record = await seen(looksUp(sampleRecord(base64(question(name)), { ...base64(answer(name)), body: '', body_file: file }), name));
    assertGone(record, label);
    assert.deepEqual([record.request!.body, record.response!.body, record.response!.body_file, readdirSync(join(job, 'bodies'))], [null, null, null, []]);
  });

  test(`JSON: ${secret}`, async () => {
    const json = { body: JSON.stringify({ Status: 0, Question: [{ name: `${name}.`, type: 16 }] }), headers: [['content-type', 'application/dns-json']] as HeaderPairs };
    const record = await seen(looksUp(sampleRecord({ method: 'GET', url: `https://doh.example/resolve?name=${encodeURIComponent(name).replace('4', '%34')}&type=TXT&%64ns=AA`, body: null }, json), name));
    assertGone(record, label);
    assert.equal(record.request!.url, 'https://doh.example/resolve?name=[redacted]&type=TXT&%64ns=[redacted]');
    assert.equal(record.response!.body, null);
  });
}

test('a secret in the answer alone takes the message with it', async () => {
  const record = looksUp(sampleRecord({ method: 'GET', url: `https://doh.example/dns-query?dns=${question('a.example').toString('base64url')}`, body: null }, base64(answer('a.example'))), 'a.example');
  record.dns!.answers.push({ name: 'a.example', type: 'TXT', ttl: 1, data: `"${DOTTED}"` });
  const masked = await seen(record);
  assert.deepEqual([masked.dns!.answers[0]!.data, masked.response!.body], ['"[redacted]"', null]);
});

test('a look-up without a secret stays as it is, and so does what is none', async () => {
  const url = `https://doh.example/dns-query?dns=${question('a.example').toString('base64url')}`;
  const record = looksUp(sampleRecord({ method: 'GET', url, body: null, body_size: 0 }, base64(answer('a.example'))), 'a.example');
  const { annotations, ...rest } = record;
  assert.deepEqual(await seen(structuredClone(record)), { ...rest, annotations: { ...annotations, redact: { masked: 0 } } });
  assert.equal((await seen(sampleRecord({ url: 'https://a.example/?name=ann&dns=AAAA', headers: [['X-Api-Key', 'k']] }))).request!.url, 'https://a.example/?name=ann&dns=AAAA');
});
