import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, test } from 'node:test';
import { MentuError } from '../../../core/errors.ts';
import { AddressGuard } from '../../../core/upstream/address-guard.ts';
import { Dialler, type DiallerOptions } from '../../../core/upstream/dialler.ts';
import { Resolver, type Lookup } from '../../../core/upstream/resolver.ts';

const servers: Server[] = [];
after(() => servers.forEach((server) => server.close()));

async function listen(host = '127.0.0.1', port = 0): Promise<Server & { port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.resume().end(`${socket.localAddress}`);
  });
  servers.push(server);
  server.listen(port, host);
  await once(server, 'listening');
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

/** A port of loopback that refuses: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = await listen();
  server.close();
  await once(server, 'close');
  return server.port;
}

function resolverOf(names: Record<string, string[]>): Resolver & { asked: string[] } {
  const asked: string[] = [];
  const lookup: Lookup = (name, _options, done) => {
    asked.push(name);
    const addresses = names[name];
    if (!addresses) done(Object.assign(new Error('none'), { code: 'ENOTFOUND' }), []);
    else done(null, addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };
  return Object.assign(new Resolver({ lookup, ttlMs: 0 }), { asked });
}

/** Stands in for a public network on this machine: loopback passes the guard, and nothing else is changed. */
class LoopbackIsPublic extends AddressGuard {
  override refusal(address: string): ReturnType<AddressGuard['refusal']> {
    return address.startsWith('127.') ? null : super.refusal(address);
  }
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

async function received(dialler: Dialler, request: Parameters<Dialler['dial']>[0]): Promise<string> {
  const { socket } = await dialler.dial(request);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

function diallerOf(options: DiallerOptions): Dialler {
  return new Dialler({ resolver: resolverOf({}), ...options });
}

test('a pinned name reaches private space at the pinned port, without a look-up', async () => {
  const server = await listen();
  const resolver = resolverOf({});
  const dialler = new Dialler({ resolver, hosts: { 'API.example.com.': `127.0.0.1:${server.port}` } });
  const dialled = await dialler.dial({ host: 'api.example.com', port: 443 });
  assert.equal(dialled.address, '127.0.0.1');
  assert.equal(dialled.port, server.port);
  assert.equal(dialled.proxy, null);
  assert.equal(dialled.timing.dns, null);
  assert(dialled.timing.connect >= 0);
  assert.equal(dialled.socket.connecting, false);
  dialled.socket.destroy();
  assert.deepEqual(resolver.asked, []);
});

test('a pinned address, also as an address in a name\'s place, keeps the dialled port where the pin has none', async () => {
  const server = await listen('127.0.0.3');
  const dialler = diallerOf({ hosts: { '192.0.2.7': '127.0.0.3', '[2001:db8::7]': '127.0.0.3' } });
  assert.equal(await received(dialler, { host: '192.0.2.7', port: server.port }), '127.0.0.3');
  assert.equal(await received(dialler, { host: '2001:db8::7', port: server.port }), '127.0.0.3');
  assert.equal(await received(dialler, { host: 'some.example', address: '192.0.2.7', port: server.port }), '127.0.0.3');
});

test('the pin of the name goes before an address in its place', async () => {
  const server = await listen('127.0.0.4');
  const dialler = diallerOf({ hosts: { 'api.example': `127.0.0.4:${server.port}` } });
  assert.equal(await received(dialler, { host: 'api.example', address: '127.0.0.1', port: 1 }), '127.0.0.4');
});

for (const [name, hosts, reason] of [
  ['a name as target', { 'a.example': 'b.example' }, /does not lead to an address/],
  ['an empty target', { 'a.example': '' }, /does not lead to an address/],
  ['a bad port', { 'a.example': '127.0.0.1:99999' }, /port "99999"/],
  ['no host as name', { 'a b': '127.0.0.1' }, /"a b" is no host/],
  ['a wildcard as name', { 'http://x': '127.0.0.1' }, /is no host/],
  ['one name twice', { 'a.example': '127.0.0.1', 'A.example.': '127.0.0.2' }, /pinned twice/],
] as const) {
  test(`a pin with ${name} is refused by name`, () => {
    assert.throws(() => new Dialler({ hosts: hosts as Record<string, string> }), (error: unknown) => error instanceof MentuError && error.code === 'host_pin_invalid' && reason.test(error.message));
  });
}

test('a literal address that is not public is refused, and nothing is dialled', async () => {
  const server = await listen();
  let reached = false;
  server.on('connection', () => (reached = true));
  const dialler = diallerOf({});
  for (const host of ['127.0.0.1', '0.0.0.0', '::1', '::ffff:127.0.0.1', '[::ffff:7f00:1]', '0x7f.1', '2130706433', '64:ff9b::7f00:1', '10.0.0.1', '169.254.169.254']) {
    const error = await failure(dialler.dial({ host, port: server.port }));
    assert.equal(error.code, 'address_denied', host);
  }
  const named = await failure(dialler.dial({ host: 'api.example', address: '127.0.0.1', port: server.port }));
  assert.equal(named.code, 'address_denied');
  assert.equal(named.params['host'], 'api.example');
  assert.equal(named.params['address'], '127.0.0.1');
  assert.equal(named.params['range'], 'loopback');
  assert.equal(reached, false);
  // The control: the same server, dialled past the guard.
  assert.equal(await received(diallerOf({ guard: new LoopbackIsPublic() }), { host: '127.0.0.1', port: server.port }), '127.0.0.1');
});

test('a name of which every address is private is refused; of a mixed name, only the public ones are left', async () => {
  const dialler = new Dialler({ resolver: resolverOf({ 'private.example': ['10.0.0.1', 'fd00::1'], 'mixed.example': ['10.0.0.1', '8.8.8.8', '::1', '2606:4700::1', '1.1.1.1'] }) });
  const error = await failure(dialler.resolve('private.example'));
  assert.equal(error.code, 'address_denied');
  assert.equal(error.params['address'], '10.0.0.1');
  const mixed = await dialler.resolve('mixed.example');
  assert.deepEqual(mixed.addresses.map(({ address }) => address), ['8.8.8.8', '2606:4700::1', '1.1.1.1'], 'families take turns');
  assert.equal(mixed.refused, 2);
});

test('localhost, resolved by the system, is refused', async () => {
  assert.equal((await failure(new Dialler().dial({ host: 'localhost', port: 80 }))).code, 'address_denied');
});

test('the name is resolved once for a dial, and the vetted address is the one dialled', async () => {
  const server = await listen('127.0.0.5');
  let answers = 0;
  const lookup: Lookup = (_name, _options, done) => {
    answers += 1;
    // A resolver that changes its mind right after it was asked, as in DNS rebinding.
    done(null, [{ address: answers === 1 ? '127.0.0.5' : '10.0.0.1', family: 4 }]);
  };
  const dialler = new Dialler({ guard: new LoopbackIsPublic(), resolver: new Resolver({ lookup, ttlMs: 0 }) });
  const dialled = await dialler.dial({ host: 'rebind.example', port: server.port });
  assert.equal(answers, 1);
  assert.equal(dialled.address, '127.0.0.5');
  assert.equal(dialled.socket.remoteAddress, '127.0.0.5');
  assert(dialled.timing.dns !== null);
  dialled.socket.destroy();
  assert.equal((await failure(dialler.dial({ host: 'rebind.example', port: server.port }))).code, 'address_denied');
});

test('an unknown name is not found, with the reason', async () => {
  const error = await failure(diallerOf({}).dial({ host: 'gone.example', port: 80 }));
  assert.equal(error.code, 'name_not_found');
  assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOTFOUND');
  assert.equal((await failure(diallerOf({}).dial({ host: 'no host', port: 80 }))).code, 'name_not_found');
});

test('a refused connection is connect_failed with address and reason', async () => {
  const port = await closedPort();
  const error = await failure(diallerOf({ hosts: { 'a.example': `127.0.0.1:${port}` } }).dial({ host: 'a.example', port: 443 }));
  assert.equal(error.code, 'connect_failed');
  assert.equal(error.params['address'], '127.0.0.1');
  assert.equal(error.params['reason'], 'ECONNREFUSED');
});

test('the next address is tried at once when one refuses', async () => {
  const server = await listen('127.0.0.6');
  const dialler = new Dialler({ guard: new LoopbackIsPublic(), resolver: resolverOf({ 'two.example': ['127.0.0.7', '127.0.0.6'] }), staggerMs: 5_000 });
  const start = performance.now();
  assert.equal(await received(dialler, { host: 'two.example', port: server.port }), '127.0.0.6');
  assert(performance.now() - start < 2_000);
});

/** A listener whose queue is full: Linux drops further SYNs, so that a connection to it hangs. */
async function hangingEndpoint(address: string): Promise<{ port: number; close(): void }> {
  const { spawn } = await import('node:child_process');
  const child = spawn('python3', ['-c', `
import socket, sys
s = socket.socket(); s.bind((${JSON.stringify(address)}, 0)); s.listen(0)
held = []
for _ in range(3):
    c = socket.socket(); c.setblocking(False); c.connect_ex(s.getsockname()); held.append(c)
print(s.getsockname()[1], flush=True); sys.stdin.read()`], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { port: Number(String(line).trim()), close: () => child.kill() };
}

test('a silent address is overtaken by the next after the stagger, and alone it is a connect_timeout', async () => {
  const hanging = await hangingEndpoint('127.0.0.8');
  try {
    await listen('127.0.0.9', hanging.port);
    const names = { 'slow.example': ['127.0.0.8', '127.0.0.9'], 'silent.example': ['127.0.0.8'] };
    const dialler = new Dialler({ guard: new LoopbackIsPublic(), resolver: resolverOf(names), staggerMs: 100, connectTimeoutMs: 400 });
    const start = performance.now();
    assert.equal(await received(dialler, { host: 'slow.example', port: hanging.port }), '127.0.0.9');
    assert(performance.now() - start >= 95);
    const error = await failure(dialler.dial({ host: 'silent.example', port: hanging.port }));
    assert.equal(error.code, 'connect_timeout');
    assert.equal(error.params['seconds'], 0.4);
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('enough')), 50);
    await assert.rejects(dialler.dial({ host: 'silent.example', port: hanging.port, signal: abort.signal }), /enough/);
  } finally {
    hanging.close();
  }
});

test('a dial is aborted while the name is looked up, and before', async () => {
  const dialler = new Dialler({ resolver: new Resolver({ lookup: () => {} }) });
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('enough')), 20);
  await assert.rejects(dialler.dial({ host: 'slow.example', port: 80, signal: abort.signal }), /enough/);
  await assert.rejects(dialler.dial({ host: 'slow.example', port: 80, signal: AbortSignal.abort(new Error('before')) }), /before/);
});

test('our own listeners are not dialled, pinned or not', async () => {
  const server = await listen();
  const wildcard = await listen('::');
  const hosts = {
    'a.example': `127.0.0.1:${server.port}`,
    'b.example': `0.0.0.0:${server.port}`,
    'c.example': `[::ffff:127.0.0.1]:${server.port}`,
    'd.example': `127.0.0.2:${wildcard.port}`,
    'e.example': `[::1]:${wildcard.port}`,
    'near.example': `127.0.0.2:${server.port}`,
  };
  const dialler = diallerOf({ hosts });
  assert.equal(await received(dialler, { host: 'a.example', port: 443 }), '127.0.0.1', 'the control');
  dialler.ownEndpoints.add('127.0.0.1', server.port);
  dialler.ownEndpoints.add('::', wildcard.port);
  for (const host of ['a.example', 'b.example', 'c.example', 'd.example', 'e.example']) {
    assert.equal((await failure(dialler.dial({ host, port: 443 }))).code, 'proxy_loop', host);
  }
  assert.equal((await failure(dialler.dial({ host: 'near.example', port: 443 }))).code, 'connect_failed', 'another address is not ours');
  dialler.ownEndpoints.delete('127.0.0.1', server.port);
  assert.equal(await received(dialler, { host: 'a.example', port: 443 }), '127.0.0.1');
});
