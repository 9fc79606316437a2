/** Packets of large bodies: all of them in the file, in bounded memory. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { transfer, transferStage } from './stage/transfer.ts';
import { capinfos, tshark } from './stage/tshark.ts';
import type { Stage } from './stage/stage.ts';

const SIZE = 200 * 1000 * 1000;
const GROWTH_MIB = 100;
let stage: Stage;

before(async () => {
  stage = await transferStage();
  stage.profile({ interceptor: { keyLog: true, pcap: true } });
});
after(() => stage.close());

for (const http of ['1.1', '2'] as const) {
  for (const direction of ['download', 'upload'] as const) {
    test(`packets of a ${direction} of 200 MB over HTTP/${http}`, { timeout: 240_000 }, async (t) => {
      const inspect = (folder: string, stderr: string): void => {
        assert.doesNotMatch(stderr, /packets_incomplete/);
        const file = join(folder, 'traffic.pcapng');
        assert.ok(statSync(file).size > SIZE);
        const port = direction === 'download' ? 'srcport' : 'dstport';
        const carried = tshark(file, `tcp.${port} == 443 && tcp.len > 0 && !tcp.analysis.retransmission`, ['tcp.len'], ['--disable-protocol', 'tls']).reduce((sum, [length]) => sum + Number(length), 0);
        assert.ok(carried > SIZE, `${carried} bytes`);
        t.diagnostic(`${capinfos(file)['Number of packets']} packets; ${(carried / 1e6).toFixed(0)} MB of TLS`);
        // To read all of it decrypted takes tshark minutes.
        const beginning = ['-c', '200', '-o', 'http.desegment_body:FALSE'];
        const path = http === '1.1' ? 'http.request.uri' : 'http2.headers.path';
        assert.deepEqual(tshark(file, path, [path], beginning).map(([value]) => value), ['/1', `/${SIZE}`]);
      };
      const growth = await transfer(stage, { direction, http, size: SIZE, timeout: 200_000, inspect });
      t.diagnostic(`peak of resident memory above the start: ${growth.toFixed(0)} MiB`);
      assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
    });
  }
}
