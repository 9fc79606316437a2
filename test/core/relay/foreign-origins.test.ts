/** Servers of other makers behind the capture, met by clients of other makers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fastify from 'fastify';
import { getLocal } from 'mockttp';
import { Stage } from '../../stage/captured.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { curl, node, python, run } from '../../stage/program.ts';

describe('fastify', () => {
  test('over TLS, with JSON up and down, for curl, Node and Python', async () => {
    const { key, cert } = originCA.identity('api.test');
    const app = fastify({ https: { key, cert, allowHTTP1: true }, http2: true });
    app.post('/echo', (request) => ({ got: request.body }));
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as { port: number };
    const stage = await Stage.open({ 'api.test': `127.0.0.1:${port}` });
    const answer = '{"got":{"a":1}}';
    assert.equal((await curl(stage, '--json', '{"a":1}', 'https://api.test/echo')).stdout, answer);
    assert.equal((await curl(stage, '--http1.1', '--json', '{"a":1}', 'https://api.test/echo')).stdout, answer);
    assert.equal((await curl(stage, '--http1.1', '-H', 'Expect: 100-continue', '--json', '{"a":1}', 'https://api.test/echo')).stdout, answer);
    const fetched = await node(stage, `console.log(await (await fetch('https://api.test/echo', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' })).text())`);
    assert.equal(fetched.stdout.trim(), answer, fetched.stderr);
    const opened = await python(stage, `
import urllib.request
request = urllib.request.Request('https://api.test/echo', data=b'{"a":1}', headers={'content-type': 'application/json'})
print(urllib.request.urlopen(request).read().decode(), end='')`);
    assert.equal(opened.stdout, answer, opened.stderr);
    for (const { request, response } of await stage.recorded(5)) {
      assert.equal(request?.body, '{"a":1}');
      assert.equal(response?.body, answer);
    }
    await stage.close();
    await app.close();
  });
});

describe('mockttp', () => {
  test('answers, drops connections and never answers, each with its record', async () => {
    const server = getLocal();
    await server.start();
    await server.forGet('/fine').thenReply(200, 'fine', { 'x-many': ['1', '2'] });
    await server.forGet('/drop').thenCloseConnection();
    await server.forGet('/reset').thenResetConnection();
    await server.forGet('/never').thenTimeout();
    const stage = await Stage.open({ 'api.test': server });
    const fine = await curl(stage, '-i', 'http://api.test/fine');
    assert.match(fine.stdout, /x-many: 1\r\nx-many: 2\r\n[^]*fine$/);
    assert.match((await curl(stage, '-i', 'http://api.test/drop')).stdout, /^HTTP\/1.1 502 /);
    assert.match((await curl(stage, '-i', 'http://api.test/reset')).stdout, /^HTTP\/1.1 502 /);
    assert.equal((await curl(stage, '--max-time', '1', 'http://api.test/never')).code, 28);
    const records = await stage.recorded(4);
    assert.deepEqual(records.map(({ outcome }) => outcome), ['completed', 'failed', 'failed', 'aborted']);
    await stage.close();
    await server.stop();
  });
});

test('git asks for the refs of a repository over HTTPS', async () => {
  await using origin = await Origin.https((request, response) => {
    // A server of files alone, and a repository without a commit: git asks for the smart protocol first and takes this.
    const files: Record<string, string> = { '/repo.git/HEAD': 'ref: refs/heads/main\n', '/repo.git/info/refs': '' };
    const body = files[new URL(request.url!, 'https://api.test').pathname];
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body ?? '');
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const result = await run('git', ['ls-remote', 'https://api.test/repo.git'], { env: { https_proxy: stage.proxyUrl, GIT_SSL_CAINFO: stage.caFile, GIT_TERMINAL_PROMPT: '0' } });
  assert.equal(result.code, 0, result.stderr);
  const records = stage.records;
  assert.match(records[0]?.request?.url ?? '', /info\/refs\?service=git-upload-pack$/);
});
