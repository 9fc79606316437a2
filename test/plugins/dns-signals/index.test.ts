/** What is noted on look-ups: of a tunnel, and of names that are none. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { CaptureHooks, pluginContext, type CompletedFlow, type FlowRecord, type JobView } from '../../../core/index.ts';
import plugin from '../../../plugins/dns-signals/index.ts';
import { sampleRecord } from '../../core/sample-record.ts';

async function notes(names: readonly string[], options: { parents: number } = { parents: 1000 }): Promise<Record<string, unknown>[]> {
  const hooks = new CaptureHooks((name, hook, error) => assert.fail(`${name} ${hook}: ${String(error)}`));
  await plugin.setup(pluginContext(plugin.name, options, { hooks, job: {} as JobView, warn: () => {} }));
  const noted: Record<string, unknown>[] = [];
  for (const name of names) {
    const { dns } = sampleRecord();
    const record = { ...sampleRecord(), annotations: {}, bytes: { up: 40, down: 60 }, dns: { ...dns!, name } } as FlowRecord;
    await new Promise<void>((done) => hooks.complete({ record, line: '', rewriteFile: async (file: string) => file, rewriteBodyFile: async () => {}, freeze: () => {} } as CompletedFlow, done));
    noted.push(record.annotations['dns-signals']!);
  }
  return noted;
}

test('the parent is what somebody registered, and what is below it is measured', async () => {
  assert.deepEqual(await notes(['www.example.com', 'example.com', 'aabb.cc.example.co.uk', '_sip._tcp.example.com', 'me.someone.github.io', 'localhost', 'com', '1.2.0.192.in-addr.arpa']), [
    { parent: 'example.com', entropy: 0, label_length: 3, queries: 1, bytes: 100 },
    { parent: 'example.com', entropy: 0, label_length: 0, queries: 2, bytes: 200 },
    { parent: 'example.co.uk', entropy: 1.58, label_length: 6, queries: 1, bytes: 100 },
    { parent: 'example.com', entropy: 2.5, label_length: 8, queries: 3, bytes: 300 },
    { parent: 'someone.github.io', entropy: 1, label_length: 2, queries: 1, bytes: 100 },
    { parent: 'localhost', entropy: 0, label_length: 0, queries: 1, bytes: 100 },
    { parent: 'com', entropy: 0, label_length: 0, queries: 1, bytes: 100 },
    { parent: '192.in-addr.arpa', entropy: 1.58, label_length: 3, queries: 1, bytes: 100 },
  ]);
});

test('a tunnel shows by each of its names and by their number', async () => {
  const names = Array.from({ length: 100 }, (_, i) => {
    const data = createHash('sha256').update(String(i)).digest('base64url').toLowerCase();
    return `${data}.${i}.t.example.org`;
  });
  const noted = await notes([...names, 'mail.example.org']);
  for (const { entropy, label_length: length } of noted.slice(0, 100)) assert.ok((entropy as number) > 4 && (length as number) > 40, `${entropy} ${length}`);
  assert.deepEqual(noted.at(-1), { parent: 'example.org', entropy: 2, label_length: 4, queries: 101, bytes: 10_100 });
});

test('the table is bounded: the parent that was asked for longest ago is forgotten', async () => {
  const noted = await notes(['a.one.test', 'a.two.test', 'b.one.test', 'a.three.test', 'c.one.test', 'b.two.test'], { parents: 2 });
  assert.deepEqual(noted.map(({ parent, queries }) => `${parent} ${queries}`), ['one.test 1', 'two.test 1', 'one.test 2', 'three.test 1', 'one.test 3', 'two.test 1']);
});

test('flows that look up no name get no note', async () => {
  assert.deepEqual(await notes(['']), [undefined]);
});
