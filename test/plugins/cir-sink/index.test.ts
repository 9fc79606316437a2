import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureHooks } from '../../../core/hooks.ts';
import type { CompletedFlow, FlowRecord, PluginContext } from '../../../core/index.ts';
import { openCir } from '../../../plugins/cir-sink/cir.ts';
import cirSink from '../../../plugins/cir-sink/index.ts';
import { deniedSample, flowSample } from './flow-sample.ts';

let folder: string;
const home = process.env['MENTU_HOME'];
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'mentu-sink-'));
  process.env['MENTU_HOME'] = join(folder, 'home');
});
after(() => {
  if (home === undefined) delete process.env['MENTU_HOME'];
  else process.env['MENTU_HOME'] = home;
  rmSync(folder, { recursive: true, force: true });
});

function completed(record: FlowRecord): CompletedFlow {
  return { record, line: JSON.stringify(record), rewriteBodyFile: async () => {}, rewriteFile: async (file) => file, freeze: () => Object.freeze(record) };
}

test('taps the sink stage, and what it stored is there after the close', async () => {
  const failures: unknown[] = [];
  const warnings: string[] = [];
  const hooks = new CaptureHooks((...failure) => failures.push(failure));
  const job = { id: 'job_sample', directory: folder, preset: 'standard', lists: [], passthrough: [], profile: {} };
  const context: PluginContext<Record<string, never>> = { options: {}, job, hooks: hooks.forPlugin('cir-sink'), annotate: () => {}, warn: (message) => void warnings.push(message) };
  await cirSink.setup(context as PluginContext<never>);
  await hooks.start();
  const annotated = flowSample(1, { annotations: { 'ane-classifier': { class: 'auth', anomaly: 0.93 } } });
  for (const record of [annotated, flowSample(2), deniedSample(3)]) {
    let done = false;
    hooks.complete(completed(record), () => (done = true));
    assert.equal(done, true, 'the sink keeps no flow waiting');
  }
  await hooks.close();
  assert.deepEqual([failures, warnings], [[], []]);

  const cir = openCir();
  assert.equal(cir.location, join(folder, 'home', 'cir.db'));
  const ids = async (query: Parameters<typeof cir.query>[0]): Promise<string[]> => (await cir.query(query)).map(({ id }) => id);
  assert.deepEqual(await ids({ type: 'network_flow', job: 'job_sample' }), ['sig_flow_job_sample_000003', 'sig_flow_job_sample_000002', 'sig_flow_job_sample_000001']);
  assert.deepEqual(await ids({ type: 'sandbox_violation' }), ['sig_vio_sample_3']);
  assert.deepEqual(await ids({ where: 'class=auth and anomaly>=0.9' }), ['sig_flow_job_sample_000001']);
  assert.deepEqual(await ids({ where: 'annotations.ane-classifier.class=auth' }), ['sig_flow_job_sample_000001']);
  await cir.close();
});
