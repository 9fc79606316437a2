/** HTTP/3 with clients and servers of other makers: ngtcp2, quinn (impit) and quic-go (caddy). */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Caddy } from '../../stage/caddy.ts';
import { ask, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { originCA } from '../../stage/origin.ts';
import { run, type ProgramResult } from '../../stage/program.ts';
import { Wire } from '../../stage/wire.ts';
import { BYE, HI, joined } from './web-socket.ts';

const HOST = 'api.test';
const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('through the capture to caddy', () => {
  let caddy: Caddy;
  let older: Caddy;
  let stage: Stage;
  let port: number;
  const file = randomBytes(3_000_000);

  before(async () => {
    caddy = await Caddy.open({ identity: originCA.identity(HOST), host: HOST });
    older = await Caddy.open({ identity: originCA.identity('older.test'), host: 'older.test', protocols: 'h1 h2' });
    caddy.write('file', file);
    stage = await Stage.open({ [HOST]: caddy, 'older.test': older });
    port = await listenHttp3(stage);
    writeFileSync(join(stage.directory, 'hosts'), `127.0.0.1 ${HOST} older.test\n`);
  });
  after(async () => {
    await stage?.close();
    for (const server of [caddy, older]) await server?.[Symbol.asyncDispose]();
  });
  beforeEach(() => void (stage.records.length = 0));

  /** Runs a program to which the test's names lead to loopback. */
  function named(program: string, ...args: string[]): Promise<ProgramResult> {
    return run('unshare', ['-rm', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', join(stage.directory, 'hosts'), program, ...args]);
  }

  /** ngtcp2's client ends with 0 whatever happened. */
  function gtlsclient(host: string, ...args: string[]): Promise<ProgramResult> {
    return named('gtlsclient', '--exit-on-all-streams-close', '--no-quic-dump', '--no-http-dump', '-q', '--timeout=10s', ...args.slice(0, -1), host, String(port), `https://${host}${args.at(-1)}`);
  }

  test('gtlsclient downloads, over HTTP/3 all the way', async () => {
    const { stdout, stderr } = await gtlsclient(HOST, `--download=${stage.directory}`, '/files/file');
    const [record] = await stage.recorded(1);
    assert.equal(record!.outcome, 'completed', stdout + stderr);
    assert.deepEqual([record!.http_version, record!.upstream?.http_version, record!.response?.status, record!.response?.body_sha256], ['3', '3', 200, sum(file)]);
    assert.equal((await run('sha256sum', [join(stage.directory, 'file')])).stdout.slice(0, 64), sum(file));
  });

  test('gtlsclient uploads', async () => {
    const path = join(stage.directory, 'upload');
    writeFileSync(path, file);
    await gtlsclient(HOST, '-m', 'POST', `--data=${path}`, '/up');
    const [record] = await stage.recorded(1);
    assert.equal(record!.outcome, 'completed');
    assert.equal(record!.request?.body_sha256, sum(file));
    assert.match(record!.response?.body ?? '', new RegExp(sum(file)));
  });

  test('gtlsclient loses every fiftieth packet, and no byte', async () => {
    await gtlsclient(HOST, '--tx-loss=0.02', '--rx-loss=0.02', `--download=${stage.directory}`, '/files/file');
    const [record] = await stage.recorded(1);
    assert.deepEqual([record!.outcome, record!.response?.body_sha256], ['completed', sum(file)]);
    assert.equal((await run('sha256sum', [join(stage.directory, 'file')])).stdout.slice(0, 64), sum(file));
  });

  test('gtlsclient asks 300 times, a hundred at once', async () => {
    await gtlsclient(HOST, '-n', '300', '--max-streams-bidi=100', '/hello');
    const records = await stage.recorded(300);
    assert.ok(records.every(({ outcome, response }) => outcome === 'completed' && response?.body === 'hello from caddy'));
    assert.equal(new Set(records.map(({ connection_id }) => connection_id)).size, 1);
  });

  test('gtlsclient meets an origin without HTTP/3', async () => {
    await gtlsclient('older.test', '/hello');
    const [record] = await stage.recorded(1);
    assert.deepEqual([record!.outcome, record!.http_version, record!.upstream?.http_version, record!.response?.body], ['completed', '3', '2', 'hello from caddy']);
  });

  test('impit asks and sends', async () => {
    const script = `
      import { Impit } from 'impit';
      const client = new Impit({ http3: true, ignoreTlsErrors: true });
      const got = await client.fetch('https://${HOST}:${port}/hello', { forceHttp3: true });
      const sent = await client.fetch('https://${HOST}:${port}/up', { forceHttp3: true, method: 'POST', body: 'x'.repeat(100000) });
      console.log(JSON.stringify([got.status, await got.text(), (await sent.json()).size]));`;
    const { stdout, stderr } = await named(process.execPath, '--input-type=module', '-e', script);
    assert.deepEqual(JSON.parse(stdout || '0'), [200, 'hello from caddy', 100000], stderr);
    const records = await stage.recorded(2);
    assert.ok(records.every(({ outcome, http_version, upstream }) => outcome === 'completed' && http_version === '3' && upstream?.http_version === '3'));
    assert.deepEqual(records[0]!.request?.headers.filter(([name]) => name === 'transfer-encoding'), []);
  });

  test('a WebSocket reaches caddy, which takes none in HTTP/3, by an upgrade beside the requests', async () => {
    const client = await http3Client(stage, port);
    assert.equal(String((await ask(client, { path: '/hello' })).body), 'hello from caddy');
    const wire = new Wire(await joined(client));
    wire.write(HI);
    await wire.take('\x81\x02hi');
    wire.write(BYE.client);
    await wire.takeAll();
    wire.socket.end();
    assert.equal(String((await ask(client, { path: '/hello' })).body), 'hello from caddy');
    client.destroy();
    const versions = (await stage.recorded(3)).map(({ kind, outcome, http_version, upstream }) => `${kind} ${outcome} ${http_version} ${upstream?.http_version}`);
    assert.deepEqual(versions.sort(), ['http completed 3 3', 'http completed 3 3', 'websocket completed 3 1.1']);
  });

  test('caddy leaves by GOAWAY, and the client does not notice', async () => {
    const client = await http3Client(stage, port);
    assert.equal(String((await ask(client, { path: '/hello' })).body), 'hello from caddy');
    await caddy.reload();
    const again = client.isClosed ? await http3Client(stage, port) : client;
    assert.equal(String((await ask(again, { path: '/hello' })).body), 'hello from caddy');
    assert.deepEqual((await stage.recorded(2)).map(({ outcome }) => outcome), ['completed', 'completed']);
    for (const each of [client, again]) each.destroy();
  });
});
