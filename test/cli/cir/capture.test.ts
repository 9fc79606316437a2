import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { MentuHome } from './mentu.ts';

let home: MentuHome;
before(() => (home = new MentuHome()));
after(() => home.close());

test('prints the id as JSON, and the signal is found by query, search and stats', () => {
  const captured = home.run('cir', 'capture', 'the build took long', '--type', 'build_note', '--domain', 'ci', '--confidence', '0.8', '--source', 'me', '--tag', 'slow', '--tag', 'ci', '--data', '{"seconds": 90, "job": "job_1"}');
  assert.deepEqual([captured.code, captured.stderr], [0, '']);
  const { id } = JSON.parse(captured.stdout) as { id: string };
  const [signal] = JSON.parse(home.run('cir', 'query', '--where', 'seconds>60 and tags=slow', '--job', 'job_1', '--format', 'json').stdout) as Record<string, unknown>[];
  assert.deepEqual({ ...signal, created_at: undefined }, { id, type: 'build_note', body: 'the build took long', domain: 'ci', confidence: 0.8, source: 'me', created_at: undefined, tags: ['slow', 'ci'], data: { seconds: 90, job: 'job_1' } });

  const found = home.run('cir', 'search', 'took', 'lon*', '--format', 'jsonl');
  assert.equal((JSON.parse(found.stdout) as { id: string }).id, id);
  const missed = home.run('cir', 'search', 'nothing');
  assert.deepEqual([missed.code, missed.stdout, missed.stderr], [0, '', 'No signal has these words.\n']);
  const wordless = home.run('cir', 'search', '...');
  assert.equal(wordless.code, 2);
  assert.match(wordless.stderr, /has no word in it/);

  const stats = JSON.parse(home.run('cir', 'stats', '--format', 'json').stdout) as { signals: number; types: object };
  assert.deepEqual([stats.signals, stats.types], [1, { build_note: 1 }]);
  assert.match(home.run('cir', 'stats').stdout, /\nsignals +1\n +build_note +1\n/);
});

test('mistakes: exit 2, and nothing is stored', () => {
  for (const [args, message] of [
    [['x'], /--type is missing/],
    [['--type', 'a'], /BODY is missing/],
    [['', '--type', 'a'], /the body is empty/],
    [['x', '--type', 'a b'], /the type is to be letters/],
    [['x', '--type', 'a', '--confidence', '1.1'], /--confidence takes a number from 0 to 1/],
    [['x', '--type', 'a', '--data', '{oops'], /--data takes a JSON object, and this is no JSON/],
    [['x', '--type', 'a', '--data', '[1]'], /--data takes a JSON object/],
    [['x', 'y', '--type', 'a'], /"y" is one word too many/],
  ] as const) {
    const { code, stdout, stderr } = home.run('cir', 'capture', ...args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, message);
  }
  assert.equal((JSON.parse(home.run('cir', 'stats', '--format', 'json').stdout) as { signals: number }).signals, 1);
});
