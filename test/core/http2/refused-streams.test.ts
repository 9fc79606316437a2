/** Streams that the upstream refuses unprocessed, whose client goes on while another connection is on its way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { soon } from '../../stage/wire.ts';

for (const body of ['body', '']) {
  test(`a stream refused by GOAWAY takes ${body === '' ? 'its end' : 'its body'} along to the next connection`, async () => {
    const refused = Promise.withResolvers<void>();
    const accept = Promise.withResolvers<void>();
    let streams = 0;
    const server = createSecureServer(originCA.options());
    server.on('sessionError', () => {});
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => {});
      if (streams++ > 0) {
        stream.respond({ ':status': 200 });
        return void stream.pipe(stream);
      }
      stream.session!.goaway(constants.NGHTTP2_NO_ERROR, 0);
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      refused.resolve();
    });
    let connections = 0;
    await using origin = await Origin.listen(createServer((socket) => void (connections++ === 0 ? Promise.resolve() : accept.promise).then(() => server.emit('connection', socket))));
    await using stage = await Stage.open({ 'api.test': origin });
    const session = await stage.h2('api.test');
    const stream = session.request({ ':path': '/', ':method': 'POST' }, { endStream: false });
    const response = once(stream, 'response');
    await soon('the refusal', refused.promise);
    await sleep(50);
    stream.end(body);
    await sleep(50);
    accept.resolve();
    const [headers] = (await soon('the answer', response)) as [IncomingHttpHeaders];
    let answer = '';
    for await (const chunk of stream.setEncoding('utf8')) answer += chunk;
    assert.deepEqual([headers[':status'], answer, streams, connections], [200, body, 2, 2]);
    const { outcome, request } = await stage.record();
    assert.deepEqual([outcome, request?.body || ''], ['completed', body]);
    session.destroy();
  });
}
