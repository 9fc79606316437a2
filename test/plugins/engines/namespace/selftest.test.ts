import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import { selfTest } from '../../../../plugins/engines/namespace/selftest.ts';

test('the examination finds all that the engine needs', async () => {
  const findings = await new NamespaceEngine().examine();
  assert.deepEqual(findings.filter(({ ok }) => !ok), []);
  for (const name of ['architecture', 'bwrap', 'nft', 'ip', 'unshare', 'setsid', 'koffi', 'user namespaces', 'limits']) assert.ok(findings.some((finding) => finding.name === name), name);
});

test('the self-test proves each guard with its control, and leaves nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'selftest-test-'));
  process.env['TMPDIR'] = folder; // other tests use the common one
  const findings = await selfTest();
  assert.deepEqual(findings.filter(({ ok }) => !ok), []);
  assert.ok(findings.length >= 5);
  for (const { detail } of findings.slice(0, -1)) assert.match(detail, /out of reach \(\w+\), and reached where the guard is missing/);
  delete process.env['TMPDIR'];
  assert.deepEqual(readdirSync(folder), []);
  rmdirSync(folder);
});
