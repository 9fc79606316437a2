/**
 * What a guest must not reach. Each attempt is made twice: in a guest with every guard, where it has to fail, and in a
 * guest that lacks just the guard in question, where it has to succeed. Where two guards stand one behind the other, the
 * control lacks both.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo, ListenOptions, Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { callNumber } from '../../../../plugins/engines/namespace/calls.ts';
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import type { Guard } from '../../../../plugins/engines/namespace/guards.ts';
import type { Attempt, Outcome } from '../../../../plugins/engines/probe/probe.ts';
import { probeGuest } from '../../../../plugins/engines/probe/probing.ts';
import type { Probed } from '../../../../plugins/engines/probe/probing.ts';
import { filterArchitecture } from '../../../../plugins/engines/namespace/seccomp.ts';
import { consume } from './job.ts';

const WORDS = 'words of the host';
const GUESTS_AT_ONCE = 4;

interface Trial {
  readonly name: string;
  readonly attempt: Attempt;
  readonly without: readonly Guard[];
  /** By default, that the attempt was carried out. */
  readonly reached?: (outcome: Outcome) => boolean;
}

const saysWords = ({ reached, detail }: Outcome): boolean => reached && detail.includes(WORDS);
const otherErrorThan = (errno: string) => ({ detail }: Outcome): boolean => detail !== errno;
const number = (name: Parameters<typeof callNumber>[0]): number => callNumber(name, filterArchitecture()!)!;
const call = (name: Parameters<typeof callNumber>[0], ...integers: number[]): Attempt => ({ try: 'call', number: number(name), arguments: integers });

class Host {
  readonly folder = mkdtempSync(join(tmpdir(), 'isolation-test-'));
  readonly servers: Server[] = [];
  readonly fifos: number[] = [];
  readonly datagrams = createSocket('udp4');
  readonly segment = /\d+/.exec(execFileSync('ipcmk', ['-M', '4096'], { encoding: 'utf8' }))![0];

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  async serve(options: ListenOptions): Promise<number> {
    const server = createServer((socket) => socket.on('error', () => undefined).end(WORDS));
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options, resolve));
    this.servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  /** A FIFO that has a reader. */
  fifo(path: string): void {
    execFileSync('mkfifo', [path]);
    this.fifos.push(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
  }

  close(): void {
    for (const server of this.servers) server.close();
    for (const fd of this.fifos) closeSync(fd);
    this.datagrams.close();
    execFileSync('ipcrm', ['-m', this.segment]);
    rmSync(this.folder, { recursive: true });
  }
}

let host: Host;
let trials: Trial[];
const guarded = new Map<Trial, Outcome>();
const controls = new Map<Trial, Outcome>();
let guardedRun: Probed;

async function prepareHost(): Promise<void> {
  for (const share of ['ro', 'rw']) {
    mkdirSync(host.path(share, 'deep', '.mentu'), { recursive: true });
    writeFileSync(host.path(share, 'deep', '.mentu', 'flows'), WORDS);
    writeFileSync(host.path(share, 'mentu.yaml'), WORDS);
    mkdirSync(host.path(share, 'hidden'));
    writeFileSync(host.path(share, 'hidden', 'file'), WORDS);
    symlinkSync(host.path('secret'), host.path(share, 'link'));
    symlinkSync(host.path(share, 'data'), host.path(share, 'mentu.link'));
    await host.serve({ path: host.path(share, 'deep', 'socket') });
    host.fifo(host.path(share, 'deep', 'fifo'));
  }
  writeFileSync(host.path('secret'), WORDS);
  await new Promise<void>((resolve) => host.datagrams.bind(0, '127.0.0.1', resolve));
  host.datagrams.on('message', (_, { port, address }) => host.datagrams.send(WORDS, port, address));
}

async function listTrials(): Promise<Trial[]> {
  const address = Object.values(networkInterfaces()).flat().find((entry) => entry && !entry.internal && entry.family === 'IPv4')?.address;
  await host.serve({ path: `\0${host.folder}` });
  const shares: Trial[] = ['ro', 'rw'].flatMap((share): Trial[] => [
    { name: `a Unix socket in the share /${share}`, attempt: { try: 'unix', path: `/${share}/deep/socket` }, without: ['sockets'], reached: saysWords },
    { name: `a FIFO in the share /${share}`, attempt: { try: 'fifo', path: `/${share}/deep/fifo`, text: 'x' }, without: ['sockets'] },
    { name: `.mentu in the share /${share}`, attempt: { try: 'read', path: `/${share}/deep/.mentu/flows` }, without: ['masks'], reached: saysWords },
    { name: `mentu.yaml in the share /${share}`, attempt: { try: 'read', path: `/${share}/mentu.yaml` }, without: ['masks'], reached: saysWords },
    { name: `a hidden path in the share /${share}`, attempt: { try: 'read', path: `/${share}/hidden/file` }, without: ['masks'], reached: saysWords },
    { name: `a link out of the share /${share}`, attempt: { try: 'read', path: `/${share}/link` }, without: ['root'], reached: saysWords },
  ]);
  return [
    { name: "the host's loopback, IPv4", attempt: { try: 'tcp', host: '127.0.0.1', port: await host.serve({ host: '127.0.0.1', port: 0 }) }, without: ['network'], reached: saysWords },
    { name: "the host's loopback, IPv6", attempt: { try: 'tcp', host: '::1', port: await host.serve({ host: '::1', port: 0 }) }, without: ['network'], reached: saysWords },
    ...(address === undefined ? [] : [
      { name: 'an address of the host', attempt: { try: 'tcp', host: address, port: await host.serve({ host: address, port: 0 }) }, without: ['network'], reached: saysWords } satisfies Trial,
    ]),
    { name: "UDP to the host's loopback", attempt: { try: 'udp', host: '127.0.0.1', port: host.datagrams.address().port, text: 'x' }, without: ['network'], reached: saysWords },
    { name: 'UDP other than DNS', attempt: { try: 'udp', host: '203.0.113.9', port: 9, text: 'x' }, without: ['udp'] },
    { name: 'UDP other than DNS, IPv6', attempt: { try: 'udp', host: '2001:db8::9', port: 443, text: 'x' }, without: ['udp'] },
    { name: 'an abstract Unix socket', attempt: { try: 'unix', path: `\0${host.folder}` }, without: ['network'], reached: saysWords },
    { name: 'raw sockets', attempt: call('socket', 2, 3, 6), without: ['seccomp:raw', 'capabilities'] },
    { name: 'raw ICMP sockets', attempt: call('socket', 2, 3, 1), without: ['seccomp:raw', 'seccomp:protocols', 'capabilities'] },
    { name: 'packet sockets', attempt: call('socket', 17, 3, 0), without: ['seccomp:families', 'capabilities'] },
    { name: 'netlink other than routes', attempt: call('socket', 16, 3, 15), without: ['seccomp:families'] },
    { name: 'MPTCP', attempt: call('socket', 2, 1, 262), without: ['seccomp:protocols'] },
    { name: 'MPTCP, IPv6', attempt: call('socket', 10, 1, 262), without: ['seccomp:protocols'] },
    ...shares,
    { name: 'writing to a read-only share', attempt: { try: 'write', path: '/ro/new', text: 'x' }, without: ['read-only'] },
    { name: "the host's files", attempt: { try: 'read', path: host.path('secret') }, without: ['root'], reached: saysWords },
    { name: "the host's files by ..", attempt: { try: 'read', path: `/ro/../${host.path('secret')}` }, without: ['root'], reached: saysWords },
    { name: 'what of /etc is not listed', attempt: { try: 'read', path: '/etc/login.defs' }, without: ['etc'] },
    { name: "the kernel's symbols", attempt: { try: 'read', path: '/proc/kallsyms' }, without: ['proc'] },
    { name: "the kernel's command line", attempt: { try: 'read', path: '/proc/cmdline' }, without: ['proc'] },
    // The kernel asks for the user's number alone, and a guest of root's has root's.
    ...(process.getuid!() === 0
      ? ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/panic'].map(
          (path): Trial => ({ name: `writing ${path}`, attempt: { try: 'open', path }, without: ['proc'] }),
        )
      : []),
    { name: 'the memory of the unfiltered pid 1', attempt: { try: 'memory', pid: 1 }, without: ['proc'] },
    { name: 'the memory of pid 1 by process_vm_writev', attempt: call('process_vm_writev', 1), without: ['seccomp:tracing'] },
    { name: 'a handle of pid 1', attempt: call('pidfd_open', 1), without: ['seccomp:tracing'] },
    { name: 'tracing pid 1', attempt: call('ptrace', 0x4206, 1), without: ['seccomp:tracing'] },
    { name: "the host's processes", attempt: { try: 'signal', pid: process.pid }, without: ['processes'] },
    { name: "the host's shared memory", attempt: { try: 'command', command: ['ipcs', '-m', '-i', host.segment] }, without: ['ipc'], reached: ({ reached, detail }) => reached && detail.includes('bytes=4096') },
    { name: 'nested user namespaces', attempt: { try: 'command', command: ['unshare', '--user', 'true'] }, without: ['seccomp:namespaces'] },
    { name: 'clone3', attempt: call('clone3'), without: ['seccomp:namespaces'], reached: otherErrorThan('ENOSYS') },
    { name: 'mounts', attempt: { try: 'command', command: ['mount', '-t', 'tmpfs', 'none', '/tmp'] }, without: ['seccomp:mounts', 'capabilities'] },
    // Without a terminal the kernel's own answers differ from the filter's.
    { name: 'TIOCSTI', attempt: call('ioctl', 0, 0x5412), without: ['seccomp:terminal'], reached: otherErrorThan('EPERM') },
    { name: 'TIOCLINUX', attempt: call('ioctl', 0, 0x541c), without: ['seccomp:terminal'], reached: otherErrorThan('EPERM') },
    { name: 'io_uring', attempt: call('io_uring_setup', 1), without: ['seccomp:uring'], reached: otherErrorThan('ENOSYS') },
    { name: 'perf events', attempt: call('perf_event_open'), without: ['seccomp:kernel'], reached: otherErrorThan('EPERM') },
    { name: 'keyrings', attempt: call('keyctl', 0, -3), without: ['seccomp:keyring'], reached: otherErrorThan('ENOSYS') },
  ];
}

function run(group: readonly Trial[], without: readonly Guard[]): Promise<Probed> {
  return probeGuest({
    engine: new NamespaceEngine({ without }),
    attempts: group.map(({ attempt }) => attempt),
    spec: {
      maskedNames: ['.mentu', 'mentu.yaml'],
      hiddenPaths: [host.path('ro', 'hidden'), host.path('rw', 'hidden')],
      mounts: ['ro', 'rw'].map((share) => ({ source: host.path(share), destination: `/${share}`, readOnly: share === 'ro' })),
    },
    prepared: consume,
  });
}

before(async () => {
  host = new Host();
  await prepareHost();
  trials = await listTrials();
  guardedRun = await run(trials, []);
  trials.forEach((trial, index) => guarded.set(trial, guardedRun.outcomes[index]!));
  const groups = [...Map.groupBy(trials, ({ without }) => without.join()).values()];
  const work = async (): Promise<void> => {
    for (let group = groups.pop(); group; group = groups.pop()) {
      const { outcomes } = await run(group, group[0]!.without);
      group.forEach((trial, index) => controls.set(trial, outcomes[index]!));
    }
  };
  await Promise.all(Array.from({ length: GUESTS_AT_ONCE }, work));
});
after(() => host.close());

test('out of reach for a guest, and within reach where the guard is missing', async (context) => {
  for (const trial of trials) {
    await context.test(trial.name, () => {
      const reached = trial.reached ?? ((outcome: Outcome) => outcome.reached);
      const [guest, control] = [guarded.get(trial)!, controls.get(trial)!];
      assert.equal(reached(guest), false, `reached from the guest: ${guest.detail}`);
      assert.equal(reached(control), true, `the control without ${trial.without.join(', ')} failed: ${control.detail}`);
    });
  }
});

test('dropped UDP packets are counted, each once', () => {
  const sent = trials.filter(({ attempt, without }) => attempt.try === 'udp' && without.includes('udp')).length;
  assert.equal(guardedRun.drops.udp, sent);
});

test('a socket that the host makes later in a read-only share is out of reach too', async () => {
  const attempt: Attempt = { try: 'unix', path: '/ro/later' };
  const outcome = async (without: readonly Guard[], name: string): Promise<Outcome> => {
    mkdirSync(host.path(name));
    const { outcomes } = await probeGuest({
      engine: new NamespaceEngine({ without }),
      attempts: [attempt, { try: 'read', path: '/ro/file' }],
      spec: { mounts: [{ source: host.path(name), destination: '/ro', readOnly: true }] },
      prepared: (guest) => {
        consume(guest);
        void host.serve({ path: host.path(name, 'later') });
        writeFileSync(host.path(name, 'file'), WORDS);
      },
    });
    assert.equal(outcomes[1]!.detail, WORDS, 'a file made at the same time is seen');
    return outcomes[0]!;
  };
  assert.deepEqual(await outcome([], 'sealed'), { reached: false, detail: 'ECONNREFUSED' });
  assert.deepEqual(await outcome(['sockets'], 'open'), { reached: true, detail: WORDS });
});

test('what is masked in a writable share cannot be removed, renamed or replaced', async () => {
  const { outcomes } = await run(
    [
      ['rm', '-rf', '/rw/deep/.mentu'],
      ['mv', '/rw/deep/.mentu', '/rw/elsewhere'],
      ['mv', '-T', '/rw/new', '/rw/mentu.yaml'],
      ['ln', '/rw/mentu.yaml', '/rw/second-name'],
      ['chmod', '777', '/rw/mentu.yaml'],
      ['sh', '-c', 'mv /rw/deep /rw/moved && cat /rw/moved/.mentu/flows; status=$?; mv /rw/moved /rw/deep; exit $status'],
    ].map((command) => ({ name: command.join(' '), attempt: { try: 'command', command }, without: [] })),
    [],
  );
  assert.deepEqual(outcomes.map(({ reached }) => reached), [false, false, false, false, false, false], JSON.stringify(outcomes));
});
