import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MentuError } from '../../../../core/index.ts';
import { runJob, shell } from './job.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'engine-test-'));
});
after(() => rmSync(folder, { recursive: true }));

test('stdin, stdout and stderr pass through, and output is complete at exit', async () => {
  const { stdout, stderr, exit } = await shell('cat; echo error >&2; seq 200000', { input: 'hello\n' });
  assert.equal(exit.code, 0);
  assert.equal(stderr, 'error\n');
  assert.ok(stdout.startsWith('hello\n1\n2\n'));
  assert.ok(stdout.endsWith('\n199999\n200000\n'));
});

test("a command's own exit code is the guest's", async () => {
  assert.deepEqual((await shell('exit 7')).exit, { code: 7, signal: null });
});

test('a command that ends by a signal gives 128+n', async () => {
  assert.deepEqual((await shell('kill -TERM $$')).exit, { code: 143, signal: 'SIGTERM' });
  assert.deepEqual((await shell('kill -KILL $$')).exit, { code: 137, signal: 'SIGKILL' });
});

test('127 for a command that is not there, 126 for one that cannot be run', async () => {
  const missing = await runJob({ command: 'no-such-command' });
  assert.equal(missing.exit.code, 127);
  assert.match(missing.stderr, /no-such-command/);
  assert.equal((await runJob({ command: '/etc/hosts' })).exit.code, 126);
  assert.equal((await runJob({ command: '/usr' })).exit.code, 126);
});

test('arguments reach the command as they are', async () => {
  const args = ['-n', '--', '', 'a b', "it's", '$HOME', 'é', 'x=y', '*'];
  const { stdout } = await runJob({ command: 'printf', args: ['%s|', ...args] });
  assert.equal(stdout, args.map((arg) => `${arg}|`).join(''));
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGQUIT'] as const) {
  test(`${signal} reaches the command itself`, async () => {
    const { exit, stdout } = await shell(`trap 'echo got; exit 3' ${signal.slice(3)}; echo ready; while :; do sleep 0.01; done`, {
      running: async (guest) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        guest.signal(signal);
      },
    });
    assert.equal(stdout, 'ready\ngot\n');
    assert.equal(exit.code, 3);
  });
}

test('a signal that the command does not handle ends it, though it is alone in its guest', async () => {
  const { exit } = await runJob({ command: 'sleep', args: ['20'], running: (guest) => guest.signal('SIGTERM') });
  assert.deepEqual(exit, { code: 143, signal: 'SIGTERM' });
});

test('the environment is the profile\'s and the engine\'s, and nothing of the host\'s', async () => {
  process.env['ENGINE_TEST_SECRET'] = 'secret';
  const { stdout } = await runJob({ command: 'env', env: { GREETING: 'good day', HOME: '/tmp', 'odd.name': 'kept' } });
  delete process.env['ENGINE_TEST_SECRET'];
  const variables = Object.fromEntries(stdout.trim().split('\n').map((line) => line.split('=') as [string, string]));
  assert.equal(variables['GREETING'], 'good day');
  assert.equal(variables['HOME'], '/tmp');
  assert.equal(variables['odd.name'], 'kept');
  const known = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'PWD', 'GREETING', 'odd.name'];
  assert.deepEqual(Object.keys(variables).filter((name) => !known.includes(name)), []);
});

test('the working directory is the one asked for; one that is not there is the engine\'s failure', async () => {
  assert.equal((await runJob({ command: 'pwd', cwd: '/tmp' })).stdout, '/tmp\n');
  const source = join(folder, 'cwd');
  mkdirSync(source);
  assert.equal((await runJob({ command: 'pwd', cwd: '/work', mounts: [{ source, destination: '/work', readOnly: false }] })).stdout, '/work\n');
  const { exit, stderr } = await runJob({ command: 'pwd', cwd: '/nowhere' });
  assert.equal(exit.code, 125);
  assert.match(`${exit.failure}`, /could not set the guest up/);
  assert.match(stderr, /chdir.*\/nowhere/);
});

test('every TCP port of every address ends in the listeners, over IPv4 and IPv6', async () => {
  const destinations = [['1.2.3.4', '80'], ['10.0.0.5', '1'], ['192.0.0.1', '15001'], ['198.18.0.9', '65535'], ['2606:4700::1111', '443'], ['fd00::1', '7']];
  const { stdout } = await shell(destinations.map(([host, port]) => `exec 3<>/dev/tcp/${host}/${port}; cat <&3`).join('\n'));
  assert.deepEqual(stdout.trim().split('\n'), destinations.map((pair) => pair.join(' ')));
});

test('the network is up from the first instruction', async () => {
  const { stdout } = await shell('cat /sys/class/net/eth0/operstate 2>/dev/null; ip -br link show eth0; ip -6 -br address show eth0');
  assert.match(stdout, /eth0\S* +UP/);
  assert.match(stdout, /fd6d:656e:7475::2/);
});

test('UDP 53 of any address is answered from that address; other UDP is dropped and counted', async () => {
  const ask = (host: string, port: number): string =>
    `node -e '` +
    `const s = require("dgram").createSocket("${host.includes(':') ? 'udp6' : 'udp4'}"); s.on("message", (m, r) => { console.log(String(m), r.address, r.port); s.close(); }); ` +
    `s.send("hello", ${port}, "${host}"); setTimeout(() => process.exit(), 500)'`;
  const script = [['192.0.0.1', 53], ['8.8.8.8', 53], ['2001:4860:4860::8888', 53], ['8.8.8.8', 54], ['2001:4860:4860::8888', 443]] as const;
  const { stdout, drops } = await shell(script.map(([host, port]) => ask(host, port)).join('\n'), {
    env: { PATH: '/opt/node:/usr/bin:/bin' },
    mounts: [{ source: process.execPath, destination: '/opt/node/node', readOnly: true }],
  });
  assert.equal(stdout, 'HELLO 192.0.0.1 53\nHELLO 8.8.8.8 53\nHELLO 2001:4860:4860::8888 53\n');
  assert.deepEqual(drops, { udp: 2, other: 0 });
});

test('a guest without a network has its loopback and nothing else', async () => {
  const { stdout, drops } = await shell('ip -br link; exec 3<>/dev/tcp/1.2.3.4/80 || echo refused', { network: 'none' });
  assert.match(stdout, /^lo\S* +UNKNOWN[^\n]*\nrefused\n$/);
  assert.deepEqual(drops, { udp: 0, other: 0 });
});

test('a read-only share is read-only, a writable one is the host\'s, and the rest of the guest is its own', async () => {
  const [ro, rw] = ['ro', 'rw'].map((name) => join(folder, `share-${name}`)) as [string, string];
  for (const path of [ro, rw]) mkdirSync(path);
  writeFileSync(join(ro, 'file'), 'from the host');
  const { stdout, exit } = await shell(
    'cat /ro/file; echo x > /ro/new || echo; echo changed > /rw/new; echo x > /usr/x || echo x > /etc/x || echo x > /x || echo read-only; touch /tmp/x ~/x /run/x /var/tmp/x && echo own',
    { mounts: [{ source: ro, destination: '/ro', readOnly: true }, { source: rw, destination: '/rw', readOnly: false }] },
  );
  assert.equal(exit.code, 0);
  assert.equal(stdout, 'from the host\nread-only\nown\n');
  assert.equal(readFileSync(join(rw, 'new'), 'utf8'), 'changed\n');
});

test('shares may lie in other shares, below /usr, /etc and the home, and may be files', async () => {
  const source = join(folder, 'nested:with,odd chars');
  mkdirSync(join(source, 'below'), { recursive: true });
  writeFileSync(join(source, 'below', 'file'), 'content\n');
  const mount = (destination: string, readOnly = true): { source: string; destination: string; readOnly: boolean } => ({ source, destination, readOnly });
  const places = ['/share', '/share/below/deeper', '/usr/local/tool', '/usr/share/new/tool', '/etc/tool', '/tmp/tool', '/root/tool', '/opt/a/b'];
  const { stdout } = await shell(`cat ${places.map((place) => `${place}/below/file`).join(' ')} /etc/one-file; ls /usr/local`, {
    mounts: [...places.map((place) => mount(place)), { source: join(source, 'below', 'file'), destination: '/etc/one-file', readOnly: true }],
  });
  assert.equal(stdout.match(/content/g)?.length, places.length + 1);
  assert.match(stdout, /bin/);
});

test('a guest has no descriptor but its own three', async () => {
  const { stdout } = await shell('for fd in /proc/self/fd/*; do echo $(basename $fd); done');
  assert.deepEqual(stdout.trim().split('\n').slice(0, 3), ['0', '1', '2']);
  assert.ok(stdout.trim().split('\n').length <= 4, stdout); // the shell's own, on the folder
});

test('twenty jobs at once do not meet', async () => {
  const jobs = Array.from({ length: 20 }, async (_, index) => {
    const { stdout, exit } = await shell(`exec 3<>/dev/tcp/1.2.3.4/${1000 + index}; cat <&3; echo ${index} > /tmp/mine; cat /tmp/mine`, {
      serve: (socket) => socket.end(`job ${index} port ${socket.localPort}\n`),
    });
    assert.equal(exit.code, 0);
    assert.equal(stdout, `job ${index} port ${1000 + index}\n${index}\n`);
  });
  await Promise.all(jobs);
});

test('the parts of the start are told in milliseconds', async () => {
  const { boot } = await runJob({ command: 'true' });
  assert.ok(boot['total']! >= boot['prepare']!);
  for (const part of ['shares', 'helper', 'network', 'root', 'prepare', 'release', 'total']) assert.ok(boot[part]! >= 0, part);
});

test('a folder as a descriptor is refused', async () => {
  const { openSync, closeSync } = await import('node:fs');
  const fd = openSync('/', 'r');
  try {
    await assert.rejects(runJob({ stdio: [fd, 1, 2] }), (error) => error instanceof MentuError && error.code === 'engine_stdio_refused');
  } finally {
    closeSync(fd);
  }
});

test('the addresses of a guest are all valid when its command starts', async () => {
  const { stdout } = await shell('ip -6 addr show; sleep 2.5; ip -6 addr show');
  assert.match(stdout, /fd6d:656e:7475::2/);
  assert.doesNotMatch(stdout, /tentative|fe80:/);
});
