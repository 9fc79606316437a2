import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import domainPolicy from '../../../plugins/domain-policy/index.ts';
import type { JobView } from '../../../core/index.ts';
import { pluginContext } from '../../../core/plugin-context.ts';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { Wire, soon, until } from '../../stage/wire.ts';

/** A proxy of HTTP in the world outside, which leads wherever `ports` says. */
async function proxyTo(ports: Readonly<Record<string, number>>): Promise<{ readonly server: Server; readonly port: number; readonly asked: string[]; close(): void }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket, head) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const port = ports[request.url!];
    if (port === undefined) return void socket.end('HTTP/1.1 502 No way\r\nContent-Length: 0\r\n\r\n');
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket]) end.on('error', () => void [upstream.destroy(), socket.destroy()]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The lists of a job, in force. */
function policy(lists: JobView['lists']): Parameters<typeof Stage.open>[1] {
  return {
    tap: (hooks) => {
      const view = { id: 'job_1', directory: '/', preset: 'standard', lists, passthrough: [], profile: {} };
      const context = pluginContext('domain-policy', { mode: 'standard' as const }, { hooks: { forPlugin: () => hooks } as never, job: view, warn: () => {} });
      void domainPolicy.setup(context);
    },
  };
}

const asking = (target: string, more = ''): string => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${more}\r\n`;

test('what a client says through a proxy of its own is captured under the name of its target', async () => {
  await using origin = await Origin.https((request, response) => void response.end(`for ${request.url}`));
  const proxy = await proxyTo({ 'inner.test:443': origin.port });
  await using stage = await Stage.open({ 'proxy.test': proxy });
  const client = await stage.wire('proxy.test', 3128);
  client.write(asking('inner.test:443', 'Proxy-Authorization: Basic YTpi\r\n'));
  await client.take('\r\n\r\n');
  client.socket.removeAllListeners('data').pause();
  const tls = connectTls({ socket: client.socket, servername: 'inner.test', ca: stage.capture.authority.certificate, ALPNProtocols: ['http/1.1'] });
  await soon('the handshake', once(tls, 'secureConnect'));
  const inside = new Wire(tls);
  inside.write('GET /secret HTTP/1.1\r\nHost: inner.test\r\nConnection: close\r\n\r\n');
  await inside.take('for /secret');
  const [outer, inner] = await stage.recorded(2);
  assert.deepEqual([outer!.request?.method, outer!.request?.url, outer!.response?.status, outer!.outcome, outer!.server.name], ['CONNECT', 'http://inner.test:443', 200, 'completed', 'proxy.test']);
  assert.deepEqual([inner!.request?.url, inner!.response?.body, inner!.outcome, inner!.server], ['https://inner.test/secret', 'for /secret', 'completed', { name: 'inner.test', address: null, port: 443 }]);
  assert.deepEqual([inner!.upstream?.port, inner!.upstream?.tls !== null], [proxy.port, true]);
  assert.notEqual(inner!.connection_id, outer!.connection_id);
  assert.deepEqual(proxy.asked, ['inner.test:443 Basic YTpi']);
  proxy.close();
});

test('a proxy that is reached by TLS is no different, nor what is raw inside of the tunnel', async () => {
  await using origin = await Origin.raw((socket) => void socket.end('SSH-2.0-x\r\n'));
  const proxy = await proxyTo({ 'inner.test:22': origin.port });
  await using front = await Origin.rawTls((socket) => void socket.pipe(connect(proxy.port, '127.0.0.1')).pipe(socket));
  await using stage = await Stage.open({ 'proxy.test': front });
  const client = await stage.tlsWire('proxy.test');
  client.write(asking('inner.test:22'));
  await client.take('\r\n\r\n');
  await client.take('SSH-2.0-x\r\n');
  client.socket.end();
  const [outer, inner] = await stage.recorded(2);
  assert.deepEqual([outer!.request?.url, outer!.response?.status], ['https://inner.test:22', 200]);
  assert.deepEqual([inner!.kind, inner!.tcp?.protocol, inner!.server.name, inner!.outcome], ['tcp', 'ssh', 'inner.test', 'completed']);
  proxy.close();
});

test('a refusal of the proxy is its own', async () => {
  const proxy = await proxyTo({});
  await using stage = await Stage.open({ 'proxy.test': proxy });
  const client = await stage.wire('proxy.test', 3128);
  client.write(asking('inner.test:443'));
  await client.take('502 No way');
  const { outcome, response } = await stage.record();
  assert.deepEqual([outcome, response?.status], ['completed', 502]);
  proxy.close();
});

test('a tunnel to what is denied is refused, and the proxy hears nothing of it', async () => {
  const proxy = await proxyTo({});
  const lists = [{ source: 'test', allowed: ['proxy.test', 'inner.test:443', '*.ok.test'], denied: ['no.ok.test'] }];
  await using stage = await Stage.open({ 'proxy.test': proxy }, policy(lists));
  for (const [target, status, code] of [['evil.test:443', 403, 'denied'], ['inner.test:22', 403, 'denied'], ['no.ok.test:443', 403, 'denied'], ['10.0.0.1:80', 403, 'address_denied'], ['yes.ok.test:1', 502, undefined], ['inner.test', 400, 'bad_request']] as const) {
    const client = await stage.wire('proxy.test', 3128);
    client.write(asking(target));
    const answer = await client.take('\r\n\r\n');
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${target}: ${answer}`);
    assert.equal(/x-mentu-violation: vio_/i.test(answer), status === 403, target);
    await until('the record', () => stage.records.length > 0);
    const record = stage.records.pop()!;
    assert.deepEqual([record.error?.code, record.violation !== null], [code, status === 403], target);
    client.socket.destroy();
  }
  assert.deepEqual(proxy.asked, ['yes.ok.test:1']);
  proxy.close();
});

test('a tunnel in which something is spoken that is denied is closed on both sides, with nothing said in it', async () => {
  const heard: Buffer[] = [];
  await using origin = await Origin.raw((socket) => void socket.on('data', (chunk: Buffer) => heard.push(chunk)).on('end', () => socket.end()));
  const proxy = await proxyTo({ 'inner.test:6379': origin.port });
  let open = 0;
  proxy.server.on('connection', (socket) => (open++, socket.once('close', () => open--)));
  await using stage = await Stage.open({ 'proxy.test': proxy }, policy([{ source: 'test', allowed: ['proxy.test', 'inner.test'], denied: [] }]));
  const client = await stage.wire('proxy.test', 3128);
  client.write(asking('inner.test:6379'));
  await client.take('\r\n\r\n');
  assert.equal(open, 1);
  client.write('*1\r\n$4\r\nPING\r\n');
  await until('the reset', () => client.closed);
  const [, inner] = await stage.recorded(2);
  assert.deepEqual([inner!.kind, inner!.outcome, inner!.violation?.host], ['tcp', 'denied', 'inner.test']);
  await until('the end of the tunnel', () => open === 0).finally(() => proxy.close());
  assert.deepEqual(heard, []);
});
