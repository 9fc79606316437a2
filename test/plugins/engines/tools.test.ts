import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findTool, findTools } from '../../../plugins/engines/tools.ts';

test('a tool is found in PATH first, in the sbin folders whatever PATH is, and never by a relative entry', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tools-test-'));
  try {
    const own = join(folder, 'nft');
    writeFileSync(own, '#!/bin/sh\n');
    assert.notEqual(findTool('nft', folder), own, 'not executable');
    chmodSync(own, 0o755);
    assert.equal(findTool('nft', folder), own);
    assert.match(findTool('nft', '') ?? '', /^\/.*\/nft$/);
    assert.equal(findTool('no-such-tool', `.:${folder}`), null);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('all tools of the engine are named by absolute path', () => {
  const found = findTools();
  assert.ok('tools' in found);
  for (const path of Object.values(found.tools)) assert.ok(path.startsWith('/'));
});
