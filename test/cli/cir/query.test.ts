import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asLines, deniedSample, flowSample } from '../../plugins/cir-sink/flow-sample.ts';
import { MENTU, MentuHome } from './mentu.ts';

let home: MentuHome;
before(() => {
  home = new MentuHome();
  const hostile = flowSample(20, { request: { ...flowSample(20).request!, url: 'https://api.example.com/\u001b]0;owned\u0007\u009b31m\u202egnp.exe' } }, 'job_hostile');
  const recent = flowSample(21, { timestamp: new Date().toISOString() }, 'job_recent');
  const file = join(home.folder, 'flows.jsonl');
  writeFileSync(file, asLines([...Array.from({ length: 150 }, (_, i) => flowSample(i)), deniedSample(200), hostile, recent]));
  assert.equal(home.run('cir', 'ingest', file).code, 0);
});
after(() => home.close());

const jsonl = (...args: string[]): { id: string; type: string; data: Record<string, unknown> }[] => {
  const { code, stdout, stderr } = home.run('cir', 'query', '--format', 'jsonl', ...args);
  assert.equal(code, 0, stderr);
  return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
};

test('without a store: nothing on stdout, a word on stderr, no store made', () => {
  const empty = new MentuHome();
  try {
    const { code, stdout, stderr } = empty.run('cir', 'query');
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, /There are no signals yet/);
    assert.equal(existsSync(join(empty.folder, 'home')), false);
  } finally {
    empty.close();
  }
});

test('filters by type (or kind), domain, job, time and expressions that must all hold', () => {
  assert.deepEqual(jsonl('--type', 'sandbox_violation').map(({ id }) => id), ['sig_vio_sample_200']);
  assert.deepEqual(jsonl('--kind', 'sandbox_violation').map(({ id }) => id), ['sig_vio_sample_200']);
  assert.equal(jsonl('--domain', 'network', '--limit', '1000').length, 154);
  assert.deepEqual(jsonl('--job', 'job_recent').map(({ id }) => id), ['sig_flow_job_recent_000021']);
  assert.deepEqual(jsonl('--since', '24h').map(({ id }) => id), ['sig_flow_job_recent_000021']);
  assert.equal(jsonl('--until', '2026-01-02T00:00:10Z').length, 10);
  assert.equal(jsonl('--where', 'status>=200', '--where', 'path~/items/14*', '--where', 'not path~/items/14').length, 0);
  assert.equal(jsonl('--where', 'status>=200 and path~/items/14*').length, 11);
});

test('says on stderr where the limit cuts, and prints as many as asked', () => {
  const cut = home.run('cir', 'query', '--format', 'jsonl');
  assert.equal(cut.stdout.trim().split('\n').length, 100);
  assert.match(cut.stderr, /The newest 100 are shown/);
  const whole = home.run('cir', 'query', '--format', 'jsonl', '-n', '154');
  assert.equal(whole.stdout.trim().split('\n').length, 154);
  assert.equal(whole.stderr, '');
});

test('json is one array, also when it is empty', () => {
  const list = JSON.parse(home.run('cir', 'query', '--format', 'json', '--limit', '3').stdout) as unknown[];
  assert.equal(list.length, 3);
  const none = home.run('cir', 'query', '--format', 'json', '--where', 'stauts=1');
  assert.deepEqual(JSON.parse(none.stdout), []);
  assert.match(none.stderr, /No signal matches\. No flow has a field "stauts"; did you mean "status"\?/);
});

test('a table has a line for each signal; nothing recorded acts on the terminal', () => {
  const { stdout } = home.run('cir', 'query', '--job', 'job_hostile');
  const [title, line, ...more] = stdout.trimEnd().split('\n');
  assert.match(title!, /^TIME +TYPE +SIGNAL$/);
  assert.match(line!, /^2026-01-02 00:00:20 {2}network_flow {2}GET https:\/\/api\.example\.com\/\\u\{1b\}\]0;owned\\u\{7\}\\u\{9b\}31m\\u\{202e\}gnp\.exe 200/);
  assert.equal(more.length, 0);
  for (const format of ['json', 'jsonl']) {
    const output = home.run('cir', 'query', '--job', 'job_hostile', '--format', format).stdout;
    assert.doesNotMatch(output, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    const value = JSON.parse(output) as { data: { url: string } } | { data: { url: string } }[];
    assert.equal([value].flat()[0]!.data.url, 'https://api.example.com/\u001b]0;owned\u0007\u009b31m\u202egnp.exe');
  }
});

test('on a terminal lines fit its width and have colours, unless NO_COLOR is set; off it neither', () => {
  const shown = home.onTerminal(60, {}, 'cir', 'query', '--limit', '5', '--where', 'outcome=denied');
  assert.match(shown, /\u001b\[31m/);
  const plain = home.onTerminal(60, { NO_COLOR: '1' }, 'cir', 'query', '--limit', '5', '--where', 'outcome=denied');
  assert.doesNotMatch(plain, /\u001b\[[\d;]*m/);
  const lines = plain.trimEnd().split('\n');
  assert.equal(lines.length, 3, plain);
  for (const line of lines) assert.ok(line.length <= 60, line);
  assert.ok(lines.some((line) => line.endsWith('…')));
  assert.doesNotMatch(home.run('cir', 'query', '--limit', '5').stdout, /\u001b|…/);
});

test('ends quietly where the reader of stdout has seen enough', { timeout: 20_000 }, async () => {
  const child = spawn(MENTU, ['cir', 'query', '--format', 'jsonl', '--limit', '154'], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([code, signal, stderr], [0, null, '']);
});

test('mistakes in the arguments: exit 2, what is wrong, and the nearest right', () => {
  for (const [args, message] of [
    [['--tpye', 'x'], /There is no flag --tpye.*Did you mean --type\?/],
    [['--type'], /--type needs a value, TYPE/],
    [['--type', '--since', '1h'], /--type needs a value, and "--since" looks like a flag/],
    [['--type', 'a', '--type', 'b'], /--type is given twice/],
    [['--limit', '0'], /--limit takes a whole number from 1/],
    [['--limit', '1e3'], /--limit takes a whole number from 1/],
    [['--format', 'xml'], /--format takes table, json, jsonl, and "xml" was given/],
    [['--since', 'yesterday'], /"yesterday" is no point in time/],
    [['word'], /"word" is one word too many/],
    [['--where', 'status>='], /column 9: a value was expected, and the text ends[^]*\n {2}status>=\n {10}\^\n$/],
  ] as const) {
    const { code, stdout, stderr } = home.run('cir', 'query', ...args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, /^mentu cir query: /);
    assert.match(stderr, message);
  }
});

test('a store that cannot be read: exit 1, and what to do', () => {
  const broken = new MentuHome();
  try {
    broken.run('cir', 'capture', 'x', '--type', 'note');
    writeFileSync(join(broken.folder, 'home/cir.db'), 'no database\n'.repeat(50));
    const { code, stdout, stderr } = broken.run('cir', 'query');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /\[store_corrupt\] Move it away/);
  } finally {
    broken.close();
  }
});
