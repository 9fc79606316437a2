import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineFile } from '../../../plugins/jsonl-sink/line-file.ts';

const MODULE = new URL('../../../plugins/jsonl-sink/line-file.ts', import.meta.url).href;

let folder: string;
let path: string;
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mentu-lines-'));
  path = join(folder, 'flows.jsonl');
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (flushMs = 100): LineFile => new LineFile({ path, flushMs, warn: (message) => warnings.push(message) });
const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);

/** A process of its own that writes lines; `limit` blocks of 512 bytes are the most that a file of it may have. */
function writer(script: string, limit = 'unlimited'): ChildProcess {
  const code = `import { LineFile } from ${JSON.stringify(MODULE)};
    import { setTimeout as sleep } from 'node:timers/promises';
    const file = new LineFile({ path: ${JSON.stringify(path)}, flushMs: 100, warn: (message) => console.log('WARN ' + message) });
    ${script}`;
  // A file that would grow over the limit is refused with EFBIG, as a full disk refuses with ENOSPC, once the signal is ignored.
  return spawn('sh', ['-c', `trap '' XFSZ; ulimit -S -f ${limit}; exec "$0" --input-type=module -e "$1"`, process.execPath, code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('lines come in order, each ended, in a file of mode 0600', async () => {
  const file = open();
  const written = Array.from({ length: 5000 }, (_, i) => JSON.stringify({ i, text: 'ü'.repeat(i % 300) }));
  for (const line of written) file.add(line);
  await file.close();
  assert.deepEqual(lines(), written);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(warnings, []);
});

test('the file is there from the start, and a line is in it soon after it came', async () => {
  const file = open(20);
  assert.equal(statSync(path).size, 0);
  file.add('{"soon":true}');
  for (let waited = 0; waited < 2000 && statSync(path).size === 0; waited += 10) await sleep(10);
  assert.deepEqual(lines(), ['{"soon":true}']);
  await file.close();
});

test('a line of several megabytes is one line', async () => {
  const file = open();
  const long = 'x'.repeat(5_000_000);
  file.add('before');
  file.add(long);
  file.add('after');
  await file.close();
  assert.deepEqual(lines(), ['before', long, 'after']);
});

test('lines are added at the end of an earlier record, whose unfinished last line is removed and said', async () => {
  writeFileSync(path, `whole\n${'y'.repeat(200_000)}`);
  const file = open();
  file.add('next');
  await file.close();
  assert.deepEqual(lines(), ['whole', 'next']);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /200000 bytes/);
});

test('an earlier record without any newline is removed, and a whole one is left alone', async () => {
  writeFileSync(path, 'torn');
  await open().close();
  assert.equal(readFileSync(path, 'utf8'), '');
  writeFileSync(path, 'a\nb\n');
  await open().close();
  assert.deepEqual(lines(), ['a', 'b']);
  assert.equal(warnings.length, 1);
});

test('a symbolic link, a folder and a pipe are refused', () => {
  const target = join(folder, 'target');
  writeFileSync(target, 'untouched');
  symlinkSync(target, path);
  assert.throws(open, { code: 'record_not_writable' });
  assert.equal(readFileSync(target, 'utf8'), 'untouched');
  rmSync(path);
  execFileSync('mkfifo', [path]);
  assert.throws(open, { code: 'record_not_writable' });
  rmSync(path);
  execFileSync('mkdir', [path]);
  assert.throws(open, { code: 'record_not_writable' });
});

test('more than the disk takes at once is asked to wait, and nothing is lost', async () => {
  const file = open();
  const line = 'w'.repeat(100_000);
  let waits = 0;
  for (let i = 0; i < 1000; i += 1) {
    const room = file.add(line);
    if (room !== undefined) waits += 1;
    await room;
  }
  await file.close();
  assert.ok(waits > 0);
  assert.equal(statSync(path).size, 1000 * 100_001);
  assert.equal(file.lost, 0);
});

test('killed with -9: every line of more than a second before is there, and only the last may be torn', { timeout: 20_000 }, async () => {
  const child = writer(`
    for (let n = 0; ; n += 1) {
      for (let i = 0; i < 50; i += 1) file.add(JSON.stringify({ n, i, pad: 'p'.repeat(2000) }));
      console.log(n);
      await sleep(5);
    }`);
  const seen: { n: number; at: number }[] = [];
  createInterface(child.stdout!).on('line', (line) => seen.push({ n: Number(line), at: Date.now() }));
  while (seen.length === 0 || Date.now() - seen[0]!.at < 2000) await sleep(20);
  const killed = Date.now();
  child.kill('SIGKILL');
  await once(child, 'close');
  const text = readFileSync(path, 'utf8').split('\n');
  const rows = text.slice(0, -1).map((line) => JSON.parse(line) as { n: number; i: number });
  rows.forEach((row, at) => assert.equal(row.n * 50 + row.i, at, 'no line is missing or out of order'));
  const safe = seen.filter(({ at }) => at < killed - 1000).at(-1)!;
  assert.ok(safe.n > 10 && rows.length >= (safe.n + 1) * 50, `${rows.length} lines, ${(safe.n + 1) * 50} expected`);
});

test('a disk that is full and has room again: told once, nothing lost, no line torn', { timeout: 20_000 }, async () => {
  const child = writer(
    `for (let i = 0; i < 400; i += 1) file.add(JSON.stringify({ i, pad: 'p'.repeat(1000) }));
    await sleep(300);
    for (let i = 400; i < 500; i += 1) file.add(JSON.stringify({ i, pad: 'p'.repeat(1000) }));
    console.log('FULL');
    await sleep(3000);
    await file.close();
    console.log('lost ' + file.lost);`,
    '200',
  );
  const output: string[] = [];
  createInterface(child.stdout!).on('line', (line) => {
    output.push(line);
    if (line === 'FULL') execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:']);
  });
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0);
  assert.equal(output.filter((line) => line.includes('cannot be written')).length, 1, output.join('\n'));
  assert.ok(output.some((line) => line.includes('written again; no line is missing')), output.join('\n'));
  assert.equal(output.at(-1), 'lost 0');
  assert.deepEqual(lines().map((line) => (JSON.parse(line) as { i: number }).i), Array.from({ length: 500 }, (_, i) => i));
});

test('a disk that stays full: the close names the file and counts what is missing; the file ends at a newline', { timeout: 20_000 }, async () => {
  const child = writer(
    `for (let i = 0; i < 300; i += 1) file.add(JSON.stringify({ i, pad: 'p'.repeat(1000) }));
    await sleep(50);
    for (let i = 300; i < 310; i += 1) file.add(JSON.stringify({ i }));
    await file.close().catch((error) => console.log(error.code, error.params.lines, error.message));`,
    '200',
  );
  const output: string[] = [];
  createInterface(child.stdout!).on('line', (line) => output.push(line));
  await once(child, 'close');
  const text = readFileSync(path, 'utf8');
  assert.ok(text.endsWith('\n'));
  const whole = lines().map((line) => (JSON.parse(line) as { i: number }).i);
  assert.ok(whole.length > 50 && whole.length < 110, String(whole.length));
  const last = output.at(-1)!.split(' ');
  assert.equal(last[0], 'record_incomplete');
  assert.equal(Number(last[1]) + whole.length, 310);
  assert.ok(output.at(-1)!.includes(path));
});

test('memory stays bounded while the disk refuses, and what found no room is counted', { timeout: 30_000 }, async () => {
  const child = writer(
    `const pad = 'p'.repeat(10_000);
    for (let i = 0; i < 20_000; i += 1) {
      file.add(JSON.stringify({ i, pad }));
      if (i % 100 === 0) await sleep(0);
    }
    const rss = process.memoryUsage().rss;
    await file.close().catch((error) => console.log(JSON.stringify({ lost: file.lost, missing: error.params.lines, rss })));`,
    '200',
  );
  const output: string[] = [];
  createInterface(child.stdout!).on('line', (line) => output.push(line));
  await once(child, 'close');
  const { lost, missing, rss } = JSON.parse(output.at(-1)!) as { lost: number; missing: number; rss: number };
  assert.ok(lost > 10_000);
  assert.equal(missing + lines().length, 20_000);
  assert.ok(rss < 400 * 1024 * 1024, `${rss} bytes resident`);
});
