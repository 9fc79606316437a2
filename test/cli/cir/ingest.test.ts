import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asLines, deniedSample, flowSample } from '../../plugins/cir-sink/flow-sample.ts';
import { MentuHome } from './mentu.ts';

let home: MentuHome;
before(() => (home = new MentuHome()));
after(() => home.close());

const signals = (): number => (JSON.parse(home.run('cir', 'stats', '--format', 'json').stdout) as { signals: number }).signals;

test('a file, and the folder of a job; twice gives the same store', () => {
  const job = join(home.folder, 'job');
  mkdirSync(job);
  writeFileSync(join(job, 'flows.jsonl'), asLines([flowSample(1), flowSample(2), deniedSample(3)]));
  const first = home.run('cir', 'ingest', job);
  assert.deepEqual([first.code, first.stdout, first.stderr], [0, `${job}/flows.jsonl: 3 flows read, 4 signals new\n`, '']);
  const again = home.run('cir', 'ingest', join(job, 'flows.jsonl'), job);
  assert.deepEqual([again.code, again.stdout], [0, `${job}/flows.jsonl: 3 flows read, 0 signals new\n`.repeat(2)]);
  assert.equal(signals(), 4);
});

test('bad lines are named by number and the rest is stored: exit 1', () => {
  const file = join(home.folder, 'bad.jsonl');
  writeFileSync(file, `{oops\n${asLines([flowSample(10)])}{"a": 1}\n${asLines([flowSample(11)])}`);
  const { code, stdout, stderr } = home.run('cir', 'ingest', file);
  assert.equal(code, 1);
  assert.equal(stdout, `${file}: 2 flows read, 2 signals new, 2 lines left out\n`);
  assert.match(stderr, /bad\.jsonl:1: it is not JSON: .*\n.*bad\.jsonl:3: it is no flow record: "version" is missing\.\n$/);
});

test('of very many bad lines the first are named and the others counted', () => {
  const file = join(home.folder, 'worse.jsonl');
  writeFileSync(file, '{\n'.repeat(5000));
  const { code, stderr } = home.run('cir', 'ingest', file);
  assert.equal(code, 1);
  assert.equal(stderr.trimEnd().split('\n').length, 21);
  assert.match(stderr, /4980 more lines are no flow records/);
});

test('a torn last line is told of and does not count as a failure', () => {
  const file = join(home.folder, 'torn.jsonl');
  writeFileSync(file, asLines([flowSample(20), flowSample(21)]).slice(0, -50));
  const { code, stdout, stderr } = home.run('cir', 'ingest', file);
  assert.deepEqual([code, stdout], [0, `${file}: 1 flows read, 1 signals new, 1 lines left out\n`]);
  assert.match(stderr, /torn\.jsonl:2: it breaks off/);
});

test('a file that is not there: exit 1 and its name; others are still read', () => {
  const alone = home.run('cir', 'ingest', 'missing.jsonl');
  assert.equal(alone.code, 1);
  assert.match(alone.stderr, /missing\.jsonl cannot be read: ENOENT/);
  const file = join(home.folder, 'there.jsonl');
  writeFileSync(file, asLines([flowSample(30)]));
  const both = home.run('cir', 'ingest', 'missing.jsonl', file);
  assert.deepEqual([both.code, both.stdout], [1, `${file}: 1 flows read, 1 signals new\n`]);
  assert.equal(home.run('cir', 'ingest').code, 2);
});

test('completes the store after the capture was killed in the middle', { timeout: 30_000 }, async () => {
  const child = fork(join(import.meta.dirname, 'captured-process.ts'), [home.folder], { env: home.env });
  await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const file = join(home.folder, 'flows.jsonl');
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1).length;
  const ofJob = (): number => home.run('cir', 'query', '--job', 'job_killed', '--format', 'jsonl', '--limit', '1000000').stdout.split('\n').filter(Boolean).length;
  const before = ofJob();
  assert.ok(before < whole, `${before} of ${whole}`);
  const { code, stdout } = home.run('cir', 'ingest', file);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`: ${whole} flows read, ${whole - before} signals new`));
  assert.equal(ofJob(), whole);
});
