/** What goes in and comes out by stdin, stdout and stderr: every byte, over files and pipes, also where someone stops to listen. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { GuestSpec } from '../../plugins/engines/engine.ts';
import { ENGINES } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import { shell, specOf } from './job.ts';

const MIB = 1024 * 1024;
const HOST = join(import.meta.dirname, 'host.ts');
const LIMIT_MS = 60_000;

let folder = '';
let digest = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'stdio-test-'));
  const large = randomBytes(64 * MIB);
  digest = sha256(large);
  writeFileSync(join(folder, 'large'), large);
  writeFileSync(join(folder, 'small'), large.subarray(0, 3 * MIB));
});
after(() => rmSync(folder, { recursive: true }));

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const share = (): Pick<GuestSpec, 'mounts'> => ({ mounts: [{ source: join(folder, 'large'), destination: '/data/large', readOnly: true }] });

/** A shell of the host runs `pipeline`, in which `guest` is a process whose streams are the guest's. */
async function pipeline(engine: TestedEngine, script: string, pipeline: string): Promise<string> {
  const spec: Partial<GuestSpec> = { command: 'bash', args: ['-c', script], stdio: [0, 1, 2], ...share() };
  const guest = [process.execPath, '--no-warnings', HOST, engine.name, JSON.stringify(spec)].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = spawn('bash', ['-c', `set -o pipefail; cd ${folder}; guest() { ${guest}; }\n${pipeline}`], { stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  assert.deepEqual([code, signal], [0, null], output);
  return output;
}

for (const engine of ENGINES) {
  describe(engine.name, { concurrency: 2 }, () => {
    test('binary stdin is whole and ends; stderr is apart; 64 MiB of stdout are complete though the command exits at once and leaves a child with them open', async () => {
      const started = performance.now();
      const { bytes, stderr, exit } = await shell(engine, 'sha256sum >&2; sleep 100 & cat /data/large; exit 7', { input: readFileSync(join(folder, 'small')), limitMs: LIMIT_MS, ...share() });
      assert.deepEqual(exit, { code: 7, signal: null });
      assert.equal(stderr, `${sha256(readFileSync(join(folder, 'small')))}  -\n`);
      assert.deepEqual([bytes.length, sha256(bytes)], [64 * MIB, digest]);
      assert.ok(performance.now() - started < 50_000, 'it has not waited for the child');
    });

    test('through pipes: more stdin than is read, a reader that is slow, and streams that are opened by name', async () => {
      const script = 'head -c 1000000 | sha256sum; head -c 10 /dev/stdin | wc -c; echo by name >/dev/stdout; echo error by name >/dev/stderr; cat /data/large & cat /data/large >&2; wait';
      const output = await pipeline(engine, script, 'cat large | { guest; echo "code $?" >&3; } 3>code 2> >(sleep 1; sha256sum >errors) | (sleep 1.5; cat >out); head -c 1000000 large | sha256sum; until [ -s errors ]; do sleep 0.05; done; cat code');
      assert.match(output, /\ncode 0\n$/);
      const out = readFileSync(join(folder, 'out'));
      const lines = `${output.split('\n')[0]}\n10\nby name\n`;
      assert.equal(out.toString('latin1', 0, lines.length), lines);
      assert.deepEqual([out.length - lines.length, sha256(out.subarray(lines.length))], [64 * MIB, digest]);
      const errors = createHash('sha256').update('error by name\n').update(readFileSync(join(folder, 'large'))).digest('hex');
      assert.equal(readFileSync(join(folder, 'errors'), 'utf8'), `${errors}  -\n`);
    });

    test('a reader that goes away ends a command that would write for ever', async () => {
      assert.equal(await pipeline(engine, 'yes; echo $? >&2; exit 9', '{ guest </dev/null; echo "code $?" >&3; } 3>gone 2>/dev/null | head -c 4; cat gone'), 'y\ny\ncode 9\n');
    });

    test('stdin that is empty, or of which nothing is read', async () => {
      const empty = await shell(engine, 'cat; read -r line || echo nothing; exec <&-; echo done', { input: '' });
      assert.deepEqual([empty.stdout, empty.exit.code], ['nothing\ndone\n', 0], empty.stderr);
      assert.equal(await pipeline(engine, 'echo done', 'mkfifo silent; exec 4<>silent; guest <&4; echo "code $?"'), 'done\ncode 0\n');
    });

    test('a folder as a descriptor is refused, for it would be a way out of the guest', async () => {
      const fd = openSync('/', 'r');
      try {
        await assert.rejects((await engine.make()).prepare(specOf({ stdio: [fd, 1, 2] })), { code: 'engine_stdio_refused' });
      } finally {
        closeSync(fd);
      }
    });
  });
}
