import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CaptureHooks } from '../../../core/hooks.ts';
import { pluginContext } from '../../../core/plugin-context.ts';
import type { CompletedFlow, JobView } from '../../../core/index.ts';
import jsonlSink from '../../../plugins/jsonl-sink/index.ts';

test('each complete flow is one line of the named file, whole when the hooks are closed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mentu-jsonl-'));
  const warnings: string[] = [];
  const failures: unknown[] = [];
  const hooks = new CaptureHooks((plugin, hook, error) => failures.push([plugin, hook, error]));
  const job: JobView = { id: 'job_1', directory, preset: 'standard', lists: [], passthrough: [], profile: {} };
  await jsonlSink.setup(pluginContext('jsonl-sink', { file: 'record.jsonl', flushMs: 50 }, { hooks, job, warn: (_, message) => warnings.push(message) }));
  await hooks.start();
  assert.equal(readFileSync(join(directory, 'record.jsonl'), 'utf8'), '');
  for (let i = 0; i < 100; i += 1) {
    const flow = { line: `{"i":${i}}`, freeze: () => {} } as CompletedFlow;
    await new Promise<void>((resolve) => hooks.complete(flow, resolve));
  }
  await hooks.close();
  assert.equal(readFileSync(join(directory, 'record.jsonl'), 'utf8'), Array.from({ length: 100 }, (_, i) => `{"i":${i}}\n`).join(''));
  assert.deepEqual([warnings, failures], [[], []]);
  rmSync(directory, { recursive: true });
});
