/** Clients that do not want our certificate, and what becomes of their next connection. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { PluginHooks } from '../../../core/index.ts';
import { Stage } from '../../stage/captured.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { run, type ProgramResult } from '../../stage/program.ts';
import { helloBytes, serverName, versions } from '../peek/hello-bytes.ts';

/** As domain-policy decides with `onPinned: passthrough` for every host. */
const untilRefused = (hooks: PluginHooks): void =>
  hooks.onConnect.tap('test', ({ pinned }) => (pinned ? { action: 'passthrough', rule: 'passthrough: *' } : { action: 'allow', rule: 'all', mayBePinned: true }));

/** curl that trusts a CA alone, or a key alone. */
function curl(stage: Stage, ...args: string[]): Promise<ProgramResult> {
  return run('curl', ['-sS', '--max-time', '12', '--proxy', stage.proxyUrl, ...args, 'https://api.test/'], { env: { no_proxy: '' } });
}
function realCa(stage: Stage): string[] {
  writeFileSync(join(stage.directory, 'real.pem'), originCA.certificate);
  return ['--cacert', join(stage.directory, 'real.pem')];
}
const pinned = (stage: Stage): string[] => ['--cacert', stage.caFile, '--pinnedpubkey', `sha256//${Buffer.alloc(32, 7).toString('base64')}`];

const served = (): Promise<Origin> => Origin.https((_request, response) => response.end('real'));

describe('a client that trusts another CA alone', () => {
  for (const version of ['1.2', '1.3']) {
    test(`over TLS ${version} is a flow that failed, with the line that would pass it through`, async () => {
      await using origin = await served();
      await using stage = await Stage.open({ 'api.test': origin });
      assert.equal((await curl(stage, '--tls-max', version, ...realCa(stage))).code, 60);
      const { kind, outcome, error } = await stage.record();
      assert.deepEqual([kind, outcome, error?.code], ['tls', 'failed', 'client_rejected_certificate']);
      assert.match(error!.message, /The client refused our certificate for api\.test: .*alert unknown ca\. This would leave it undecrypted: "passthrough": \["api\.test"\]\./);
    });
  }

  test('is passed through from then on, where the decision is to', async () => {
    await using origin = await served();
    await using stage = await Stage.open({ 'api.test': origin }, { tap: untilRefused });
    assert.equal((await curl(stage, ...realCa(stage))).code, 60);
    assert.equal((await curl(stage, ...realCa(stage))).stdout, 'real');
    const records = await stage.recorded(2);
    assert.deepEqual(records.map(({ outcome, error, policy }) => [outcome, error?.code, policy?.decision]), [['failed', 'client_rejected_certificate', 'allow'], ['completed', undefined, 'passthrough']]);
    assert.equal(records[1]?.passthrough?.version, 'TLSv1.3');
  });
});

describe('a client that pins a key and leaves without a word', () => {
  for (const version of ['1.2', '1.3']) {
    test(`over TLS ${version} is taken for one where that is expected`, async () => {
      await using origin = await served();
      await using stage = await Stage.open({ 'api.test': origin }, { tap: untilRefused });
      assert.equal((await curl(stage, '--tls-max', version, ...pinned(stage))).code, 90);
      const { outcome, error } = await stage.record();
      assert.deepEqual([outcome, error?.code], ['failed', 'client_rejected_certificate']);
    });
  }

  test('and is one that only shook hands where not', async () => {
    await using origin = await served();
    await using stage = await Stage.open({ 'api.test': origin });
    assert.equal((await curl(stage, ...pinned(stage))).code, 90);
    const { outcome, error } = await stage.record();
    assert.equal(outcome, 'aborted');
    assert.match(error!.code, /^(no_request|client_aborted)$/);
  });

  test('while one that asks is served decrypted', async () => {
    await using origin = await served();
    await using stage = await Stage.open({ 'api.test': origin }, { tap: untilRefused });
    assert.equal((await curl(stage, '--cacert', stage.caFile)).stdout, 'real');
    assert.equal((await stage.record()).kind, 'http');
  });
});

test('of many clients of HTTP/2 that leave right after the handshake each has its record', async () => {
  await using origin = await served();
  await using stage = await Stage.open({ 'api.test': origin });
  for (let batch = 0; batch < 8; batch++) await Promise.all(Array.from({ length: 8 }, () => curl(stage, ...pinned(stage))));
  for (const { outcome } of await stage.recorded(64)) assert.equal(outcome, 'aborted');
});

test('a denied ClientHello with ECH leads to no byte upstream, and to one record', async () => {
  await using origin = await served();
  await using stage = await Stage.open({ 'api.test': origin }, { tap: (hooks) => hooks.onConnect.tap('test', ({ clientHello }) => (clientHello?.ech ? { action: 'deny', rule: 'passthrough: *, with ECH', code: 'ech_unjudgeable' } : undefined)) });
  const client = await stage.wire('api.test', 443);
  client.write(helloBytes({ extensions: [serverName('api.test'), versions(0x0304), [0xfe0d, Buffer.alloc(40)]] }));
  const record = await stage.record();
  assert.deepEqual([record.outcome, record.error?.code, record.violation?.code, record.tls?.ech], ['denied', 'ech_unjudgeable', 'ech_unjudgeable', 'present']);
  assert.equal(origin.accepted, 0);
});
