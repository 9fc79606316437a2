import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { certificatesOf } from '../../../../plugins/engines/trust/certificate.ts';
import { javaKeystore } from '../../../../plugins/engines/trust/keystore.ts';
import { findTool } from '../../../../plugins/engines/tools.ts';

const certificates = certificatesOf(rootCertificates.slice(0, 5).join('\n'));

test('the layout is that of JKS version 2', () => {
  const store = javaKeystore(certificates.slice(0, 1), 1_700_000_000_000);
  assert.equal(store.readUInt32BE(0), 0xfeedfeed);
  assert.deepEqual([4, 8, 12].map((offset) => store.readUInt32BE(offset)), [2, 1, 2]);
  assert.equal(store.toString('latin1', 18, 22), 'ca-0');
  assert.equal(store.readBigUInt64BE(22), 1_700_000_000_000n);
  assert.equal(store.toString('latin1', 32, 37), 'X.509');
  assert.equal(store.readUInt32BE(37), certificates[0]!.length);
  assert.deepEqual(store.subarray(41, 41 + certificates[0]!.length), certificates[0]);
});

test('keytool reads it, checks its digest and finds the same certificates', { skip: findTool('keytool') === null && 'no keytool on this machine' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'keystore-test-'));
  try {
    writeFileSync(join(folder, 'cacerts'), javaKeystore(certificates, Date.now()));
    const output = execFileSync('keytool', ['-J-Xshare:auto', '-J-XX:TieredStopAtLevel=1', '-list', '-keystore', join(folder, 'cacerts'), '-storepass', 'changeit'], { encoding: 'utf8' });
    const expected = certificates.map((der) => createHash('sha256').update(der).digest('hex').toUpperCase().match(/../g)!.join(':'));
    assert.deepEqual(output.match(/(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/g)?.toSorted(), expected.toSorted());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
