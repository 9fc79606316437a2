/** Upstreams that a client came to by HTTP/3 and that do not speak it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QuicConnection } from '../../../core/quic/connection.ts';
import type { LiveConnection } from '../../../core/quic/live-connection.ts';
import { Stage } from '../../stage/captured.ts';
import { Http3Origin, ask, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { Origin } from '../../stage/origin.ts';

test('an origin without HTTP/3 is asked over HTTP/2, and is not tried again for a while', async () => {
  await using origin = await Origin.h2((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('over h2');
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const port = await listenHttp3(stage);
  for (let i = 0; i < 2; i++) {
    const client = await http3Client(stage, port);
    assert.equal(String((await ask(client)).body), 'over h2');
    client.destroy();
  }
  for (const record of await stage.recorded(2)) assert.deepEqual([record.http_version, record.upstream?.http_version, record.response?.http_version], ['3', '2', '2']);
});

test('an origin that ends a connection which stood, for our certificate say, is asked over TCP from then on', async () => {
  await using tcp = await Origin.h2((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('over h2');
  });
  const refuse = (connection: QuicConnection): void => (connection as LiveConnection).abort(0x174, 'certificate required');
  await using origin = await Http3Origin.open(() => {}, refuse, tcp.port);
  await using stage = await Stage.open({ 'api.test': origin });
  const port = await listenHttp3(stage);
  const statuses: number[] = [];
  for (let i = 0; i < 2; i++) {
    const client = await http3Client(stage, port);
    statuses.push((await ask(client)).head.status);
    client.destroy();
  }
  assert.deepEqual(statuses, [502, 200]);
  assert.deepEqual((await stage.recorded(2)).map(({ outcome }) => outcome), ['failed', 'completed']);
});
