import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { MentuError } from '../../../core/errors.ts';
import { CertificateAuthority } from '../../../core/tls/authority.ts';
import { Dialler } from '../../../core/upstream/dialler.ts';
import { Resolver, type Lookup } from '../../../core/upstream/resolver.ts';
import { UpstreamProxy } from '../../../core/upstream/upstream-proxy.ts';
import { httpProxy, origin, plainProxy, socksProxy, started } from './proxies.ts';

const NAMES: Record<string, string[]> = {
  'public.example': ['8.8.8.8'],
  'private.example': ['10.0.0.1'],
  'mixed.example': ['10.0.0.1', '8.8.4.4'],
};

function resolver(extra: Record<string, string[]> = {}): Resolver {
  const lookup: Lookup = (name, _options, done) => {
    const addresses = { ...NAMES, ...extra }[name];
    if (!addresses) done(Object.assign(new Error('none'), { code: 'ENOTFOUND' }), []);
    else done(null, addresses.map((address) => ({ address, family: 4 })));
  };
  return new Resolver({ lookup });
}

async function through(proxyUrl: string, request: { host: string; port?: number }, options: { trusted?: string[]; names?: Record<string, string[]>; timeoutMs?: number; hosts?: Record<string, string> } = {}): Promise<{ text: string; proxy: string | null }> {
  const dialler = new Dialler({ resolver: resolver(options.names), proxy: new UpstreamProxy(proxyUrl, options.trusted), connectTimeoutMs: options.timeoutMs ?? 5_000, hosts: options.hosts ?? {} });
  const { socket, proxy } = await dialler.dial({ port: 443, ...request });
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return { text, proxy };
}

async function failure(promise: Promise<unknown>): Promise<MentuError> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof MentuError, String(error));
    return error;
  }
  throw new Error('it did not fail');
}

test('through an HTTP proxy, which gets the name; what follows its answer in the same packet is not lost', async (t) => {
  const proxy = await plainProxy(t, await origin(t));
  assert.deepEqual(await through(`http://127.0.0.1:${proxy.port}`, { host: 'public.example' }), { text: 'hello from the origin', proxy: `http://127.0.0.1:${proxy.port}` });
  await through(`http://127.0.0.1:${proxy.port}`, { host: '2606:4700::1', port: 8443 });
  assert.deepEqual(proxy.asked, ['public.example:443', '[2606:4700::1]:8443']);
});

test('through a proxy in private space, by its name, with credentials', async (t) => {
  const authorization = `Basic ${Buffer.from('me:p@ss:word').toString('base64')}`;
  const proxy = await plainProxy(t, await origin(t), authorization);
  const names = { 'proxy.corp': ['127.0.0.1'] };
  const { text, proxy: label } = await through(`http://me:p%40ss%3Aword@proxy.corp:${proxy.port}`, { host: 'public.example' }, { names });
  assert.equal(text, 'hello from the origin');
  assert.equal(label, `http://proxy.corp:${proxy.port}`, 'without credentials');
  const error = await failure(through(`http://me:wrong@proxy.corp:${proxy.port}`, { host: 'public.example' }, { names }));
  assert.equal(error.code, 'upstream_proxy_failed');
  assert.match(error.message, /407 Proxy Authentication Required/);
  assert.doesNotMatch(error.message, /wrong/);
});

test('through an HTTPS proxy whose certificate is verified', async (t) => {
  const authority = await CertificateAuthority.create('test');
  const tunnels = createHttpServer();
  const asked = httpProxy(tunnels, await origin(t));
  const server = createTlsServer({ SNICallback: (name, done) => done(null, authority.contextFor(name)) }, (socket) => void tunnels.emit('connection', socket));
  const port = await started(t, server);
  const names = { 'proxy.corp': ['127.0.0.1'] };
  const { text } = await through(`https://proxy.corp:${port}`, { host: 'public.example' }, { names, trusted: [authority.certificate] });
  assert.equal(text, 'hello from the origin');
  assert.deepEqual(asked, ['public.example:443']);
  assert.equal((await failure(through(`https://proxy.corp:${port}`, { host: 'public.example' }, { names }))).code, 'upstream_proxy_failed', 'without the CA');
  assert.deepEqual(asked, ['public.example:443']);
});

test('through a SOCKS5 proxy, which gets names and both kinds of addresses', async (t) => {
  const proxy = await socksProxy(t, await origin(t));
  const url = `socks5://127.0.0.1:${proxy.port}`;
  assert.equal((await through(url, { host: 'public.example' })).text, 'hello from the origin');
  await through(url, { host: '8.8.8.8', port: 80 });
  await through(url, { host: '2606:4700::1', port: 8443 });
  assert.deepEqual(proxy.asked, ['public.example:443', '8.8.8.8:80', '26064700000000000000000000000001:8443']);
});

test('through a SOCKS5 proxy with user name and password', async (t) => {
  const proxy = await socksProxy(t, await origin(t), 'me:secret');
  assert.equal((await through(`socks5://me:secret@127.0.0.1:${proxy.port}`, { host: 'public.example' })).text, 'hello from the origin');
  assert.match((await failure(through(`socks5://me:wrong@127.0.0.1:${proxy.port}`, { host: 'public.example' }))).message, /refused the user name and password/);
  assert.match((await failure(through(`socks5://127.0.0.1:${proxy.port}`, { host: 'public.example' }))).message, /wants a user name and password/);
});

test('what a SOCKS5 proxy answers is told', async (t) => {
  const proxy = await socksProxy(t, await origin(t), undefined, 5);
  const error = await failure(through(`socks5://127.0.0.1:${proxy.port}`, { host: 'public.example' }));
  assert.equal(error.code, 'upstream_proxy_failed');
  assert.match(error.message, /connection refused/);
});

test('the guard holds behind a proxy: for literal addresses, and for names that are private here', async (t) => {
  const proxy = await plainProxy(t, await origin(t));
  const url = `http://127.0.0.1:${proxy.port}`;
  for (const host of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::1', 'private.example']) assert.equal((await failure(through(url, { host }))).code, 'address_denied', host);
  assert.deepEqual(proxy.asked, []);
  await through(url, { host: 'mixed.example' });
  assert.deepEqual(proxy.asked, ['8.8.4.4:443'], 'of a mixed name, the proxy gets a vetted address');
});

test('a name that does not resolve here is left to the proxy', async (t) => {
  const proxy = await plainProxy(t, await origin(t));
  const url = `http://127.0.0.1:${proxy.port}`;
  assert.equal((await through(url, { host: 'unknown.example' })).text, 'hello from the origin');
  assert.deepEqual(proxy.asked, ['unknown.example:443']);
  const dialler = new Dialler({ resolver: resolver(), proxy: new UpstreamProxy(url) });
  assert.equal((await dialler.resolve('unknown.example')).byProxy, true);
});

test('a pinned host goes directly, for a proxy would look for the address on its own side', async (t) => {
  const originPort = await origin(t);
  const proxy = await plainProxy(t, originPort);
  const { text, proxy: label } = await through(`http://127.0.0.1:${proxy.port}`, { host: 'pinned.example' }, { hosts: { 'pinned.example': `127.0.0.1:${originPort}` } });
  assert.equal(text, 'hello from the origin');
  assert.equal(label, null);
  assert.deepEqual(proxy.asked, []);
});

test('a proxy that is silent, closes, babbles or is not there is upstream_proxy_failed, soon', async (t) => {
  const bad = async (onConnection: (socket: Socket) => void, scheme = 'http'): Promise<string> => {
    const port = await started(t, createServer(onConnection));
    const error = await failure(through(`${scheme}://127.0.0.1:${port}`, { host: 'public.example' }, { timeoutMs: 300 }));
    assert.equal(error.code, 'upstream_proxy_failed');
    return error.message;
  };
  assert.match(await bad((socket) => void socket.resume()), /no answer within 0.3 s/);
  assert.match(await bad((socket) => void socket.resume().end()), /closed the connection/);
  assert.match(await bad((socket) => void socket.resume().write('SSH-2.0-x\r\n\r\n')), /does not answer as an HTTP proxy/);
  assert.match(await bad((socket) => void socket.resume().write('x'.repeat(40_000))), /more than 16384 bytes/);
  assert.match(await bad((socket) => void socket.resume().write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(9))), /without a result/);
  assert.match(await bad((socket) => void socket.resume().write('HTTP/1.1 400 Bad\r\n\r\n'), 'socks5'), /does not answer as a SOCKS5 proxy/);
  assert.match(await bad((socket) => void socket.resume().write('HTTP/1.1 400 Bad\r\n\r\n'), 'https'), /upstream proxy/);
  const gone = createServer();
  const port = await started(t, gone);
  gone.close();
  await once(gone, 'close');
  assert.match((await failure(through(`http://127.0.0.1:${port}`, { host: 'public.example' }))).message, /ECONNREFUSED/);
  assert.match((await failure(through('http://no-such-proxy.corp:3128', { host: 'public.example' }))).message, /no such name/);
});

test('a dial through a proxy is aborted', async (t) => {
  const port = await started(t, createServer((socket) => void socket.resume()));
  const dialler = new Dialler({ resolver: resolver(), proxy: new UpstreamProxy(`http://127.0.0.1:${port}`) });
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('enough')), 50);
  await assert.rejects(dialler.dial({ host: 'public.example', port: 443, signal: abort.signal }), /enough/);
});

test('our own listener is no upstream proxy', async (t) => {
  const proxy = await plainProxy(t, await origin(t));
  const dialler = new Dialler({ resolver: resolver(), proxy: new UpstreamProxy(`http://127.0.0.1:${proxy.port}`) });
  dialler.ownEndpoints.add('127.0.0.1', proxy.port);
  assert.equal((await failure(dialler.dial({ host: 'public.example', port: 443 }))).code, 'proxy_loop');
  assert.deepEqual(proxy.asked, []);
});

for (const [url, reason] of [
  ['proxy:3128', /scheme/],
  ['', /no URL/],
  ['ftp://proxy:21', /scheme ftp:/],
  ['socks4://proxy:1080', /scheme socks4:/],
  ['http://proxy:0', /port/],
  ['http://proxy/path', /path/],
  [`socks5://${'u'.repeat(256)}:p@proxy`, /255 bytes/],
] as const) {
  test(`${JSON.stringify(url.slice(0, 30))} is refused as an upstream proxy`, () => {
    assert.throws(() => new UpstreamProxy(url), (error: unknown) => error instanceof MentuError && error.code === 'upstream_proxy_invalid' && reason.test(error.message));
  });
}

test('ports are the usual ones of the scheme where none is named, and no message shows credentials', () => {
  assert.equal(new UpstreamProxy('http://Proxy.Corp.').label, 'http://proxy.corp:80');
  assert.equal(new UpstreamProxy('https://proxy.corp').port, 443);
  assert.equal(new UpstreamProxy('socks5://[::1]').label, 'socks5://[::1]:1080');
  for (const url of ['ftp://me:secret@proxy', 'me:secret@proxy:3128', 'http://me:sec/ret@proxy']) {
    assert.throws(() => new UpstreamProxy(url), (error: unknown) => error instanceof MentuError && !/sec.?ret/.test(error.message), url);
  }
});
