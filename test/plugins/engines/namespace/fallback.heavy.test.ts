/** A kernel without overlays in user namespaces: shares are bound, their sockets covered one by one, stores copied. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import { probeGuest } from '../../../../plugins/engines/probe/probing.ts';
import { NAMESPACE } from '../../../engines/engines.ts';
import { consume } from '../../../engines/job.ts';
import { ANSWER, ORIGIN, Origin } from '../../../engines/origin.ts';

test('without overlays, clients still trust the CA', { timeout: 120_000 }, async () => {
  const origin = new Origin();
  try {
    const { stdout, stderr } = await origin.visit(NAMESPACE, `curl -sS ${ORIGIN}; unset SSL_CERT_FILE CURL_CA_BUNDLE; curl -sS --capath /etc/ssl/certs ${ORIGIN}`, origin.authority, { without: ['overlays'] });
    assert.equal(stdout, `${ANSWER}\n${ANSWER}\n`, stderr);
  } finally {
    origin.close();
  }
});

test('without overlays, a Unix socket in a read-only share is still out of reach', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-test-'));
  const server = createServer((socket) => socket.end('words'));
  try {
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
    const spec = { mounts: [{ source: folder, destination: '/share', readOnly: true }] };
    const attempts = [{ try: 'unix', path: '/share/socket' }] as const;
    const guarded = await probeGuest({ engine: new NamespaceEngine({ without: ['overlays'] }), attempts, spec, prepared: consume });
    assert.deepEqual(guarded.outcomes, [{ reached: false, detail: 'EACCES' }]);
    const control = await probeGuest({ engine: new NamespaceEngine({ without: ['overlays', 'sockets'] }), attempts, spec, prepared: consume });
    assert.deepEqual(control.outcomes, [{ reached: true, detail: 'words' }]);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
