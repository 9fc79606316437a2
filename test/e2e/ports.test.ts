/** Ports of the host's loopback that lead to servers in a guest, by foreign clients and raw connections. */
import assert from 'node:assert/strict';
import { execFile, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { freePorts } from '../stage/free-ports.ts';
import { Stage } from './stage/stage.ts';
import { flowsOf, until } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
const GUEST_PORTS = [22, 80, 81, 82, 83] as const;
type GuestPort = (typeof GUEST_PORTS)[number];
let stage: Stage;
let job: ChildProcess;
let ports: Record<GuestPort, number>;

const lead = (to: Record<GuestPort, number>): string[] => GUEST_PORTS.flatMap((port) => ['--port', `${to[port]}:${port}`]);

function answerers(flags: readonly string[], ...args: string[]): ChildProcess {
  return stage.workspace.start('mentu-runtime', ['exec', '--profile', 'profile.json', ...flags, '--', 'python3', '/guest/answerers.py', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** All that a connection says before it ends. */
async function heard(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

before(async () => {
  stage = await Stage.open();
  stage.profile();
  ports = Object.fromEntries((await freePorts(GUEST_PORTS.length)).map((port, index) => [GUEST_PORTS[index]!, port])) as Record<GuestPort, number>;
  job = answerers(['--interceptor', ...lead(ports)]);
  const [said] = (await once(job.stdout!, 'data')) as [Buffer];
  assert.equal(String(said), 'listening\n');
});
after(async () => {
  if (job.exitCode === null) {
    job.kill('SIGTERM');
    await once(job, 'close');
  }
  await stage.close();
});

test('a server that speaks first is heard from its first byte, on both loopback addresses', LIMIT, async () => {
  for (let round = 0; round < 40; round++) {
    const socket = connect(ports[22], round % 2 ? '127.0.0.1' : '::1');
    const words = randomBytes(1000);
    socket.end(words);
    assert.deepEqual(await heard(socket), Buffer.concat([Buffer.from('SSH-2.0-greeting\r\n'), words]));
  }
});

test('a side that has said all still hears the answer', LIMIT, async () => {
  const bytes = randomBytes(20_000_000);
  const socket = connect({ port: ports[80], host: '127.0.0.1', allowHalfOpen: true });
  socket.end(bytes);
  assert.equal(String(await heard(socket)), `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}\n`);
});

test('a reader that is slow gets all of it, and may go on speaking after the other has ended', LIMIT, async () => {
  const socket = connect({ port: ports[81], host: '127.0.0.1', allowHalfOpen: true });
  const seen = createHash('sha256');
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 700));
  for await (const chunk of socket) seen.update(chunk as Buffer);
  const block = Buffer.from(Array.from({ length: 65_536 }, (_, index) => index % 256));
  const expected = createHash('sha256');
  for (let n = 0; n < 512; n++) expected.update(block);
  assert.equal(seen.digest('hex'), expected.digest('hex'));
});

test('a connection that the guest breaks off is broken off here, and has no quiet end', LIMIT, async () => {
  const socket = connect(ports[82], '127.0.0.1');
  socket.write('x');
  const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('300 connections at once, each its own', LIMIT, async () => {
  const answers = await Promise.all(Array.from({ length: 300 }, async (_, index) => {
    const socket = connect(ports[22], '127.0.0.1');
    socket.end(`number ${index}`);
    return String(await heard(socket));
  }));
  assert.deepEqual(answers, answers.map((_, index) => `SSH-2.0-greeting\r\nnumber ${index}`));
});

test('a port that another program has is refused by name before anything runs', LIMIT, async () => {
  const second = answerers(['--port', `${ports[22]}:22`]);
  let stderr = '';
  let stdout = '';
  second.stderr!.on('data', (chunk) => (stderr += chunk));
  second.stdout!.on('data', (chunk) => (stdout += chunk));
  assert.deepEqual([(await once(second, 'close'))[0], stdout], [125, '']);
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${ports[22]}: another program listens there.*port_taken`));
});

test('ports need a network: without one, and without the interceptor, they are refused by name', LIMIT, async () => {
  const { code, stderr } = await stage.workspace.run('mentu-runtime', ['exec', '--network', 'none', '-p', '3000', '--', 'true']);
  assert.equal(code, 125);
  assert.match(stderr, /The ports \(3000:3000\) cannot be reached.*ports_without_network/);
});

test('they end with the job, are no flows, and nothing listens afterwards', LIMIT, async () => {
  const idle = connect(ports[22], '127.0.0.1');
  await once(idle, 'data');
  const cut = once(idle, 'close');
  job.kill('SIGTERM');
  assert.equal((await once(job, 'close'))[0], 143);
  await cut;
  assert.deepEqual(flowsOf(stage.workspace.latest), []);
  for (const port of Object.values(ports)) for (const host of ['127.0.0.1', '::1']) await assert.rejects(once(connect(port, host), 'connect'), { code: 'ECONNREFUSED' });
});

test("python's own web server on port 80, and curl, with no network but the ports", LIMIT, async () => {
  const [port] = await freePorts(1);
  const server = stage.workspace.start('mentu-runtime', ['exec', '--interceptor', '--network', 'none', '-p', `${port}:80`, '--', 'python3', '-u', '-m', 'http.server', '80', '--directory', '/etc'], { stdio: ['ignore', 'pipe', 'pipe'] });
  await once(server.stdout!, 'data');
  for (const host of ['127.0.0.1', '[::1]']) {
    const { stdout } = await promisify(execFile)('curl', ['-sS', '--noproxy', '*', `http://${host}:${port}/hosts`]);
    assert.match(stdout, /localhost/);
  }
  server.kill('SIGINT');
  await once(server, 'close');
});

test('where the command is run again, connections reach the next guest', LIMIT, async () => {
  const again = Object.fromEntries((await freePorts(GUEST_PORTS.length)).map((port, index) => [GUEST_PORTS[index]!, port])) as Record<GuestPort, number>;
  const server = answerers([...lead(again), '--restart', 'on-failure:1'], '9');
  let stdout = '';
  let stderr = '';
  server.stdout!.on('data', (chunk) => (stdout += chunk));
  server.stderr!.on('data', (chunk) => (stderr += chunk));
  for (const run of [1, 2]) {
    await until(`run ${run} listens`, () => stdout === 'listening\n'.repeat(run));
    assert.equal(String(await heard(connect(again[83], '127.0.0.1'))), 'bye\n', 'what was said at the very end arrives');
  }
  assert.equal((await once(server, 'close'))[0], 9);
  assert.match(stderr, /restart 1 of 1 in 100ms/);
});
