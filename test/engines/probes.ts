/** What no guest may reach, whatever its engine. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Attempt } from '../../plugins/engines/probe/probe.ts';
import type { Bait } from './bait.ts';
import { byBoth, byKernel, saysWords } from './pairs.ts';
import type { Pair } from './pairs.ts';

/** As which QEMU's own network shows the host's loopback. */
const SLIRP_HOST = '10.0.2.2';
const AF_VSOCK = 40;
/** `socket`, on x86_64 and on aarch64. */
const SOCKET_CALL = process.arch === 'x64' ? 41 : 198;

const command = (...words: string[]): Attempt => ({ try: 'command', command: words });
const python = (program: string): Attempt => command('/usr/bin/python3', '-c', program);

/** One echo request by a raw socket, and the answer to it. */
const echoRequest = (host: string): Attempt => python(`
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(1.5)
packet = struct.pack('!BBHHH', 8, 0, 0, 7, 7)
total = sum(struct.unpack('!4H', packet))
s.sendto(struct.pack('!BBHHH', 8, 0, 0xffff - (total & 0xffff) - (total >> 16), 7, 7), ('${host}', 0))
print('type', s.recv(99)[20])`);

/** Says words of both of QEMU's monitor languages on every port there is, and looks for an answer. */
const MONITOR = python(`
import glob, os, select, time
for port in glob.glob('/dev/vport*') + glob.glob('/dev/ttyS*') + glob.glob('/dev/hvc*') + glob.glob('/dev/console'):
  try:
    fd = os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    os.write(fd, b'\\n{"execute": "qmp_capabilities"}\\n{"execute": "query-version"}\\ninfo version\\n')
    end = time.monotonic() + 0.7
    text = b''
    while select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
      text += os.read(fd, 4096)
      if b'QEMU' in text:
        print(port, 'answers')
        os._exit(0)
  except OSError:
    pass
os._exit(1)`);

async function network(bait: Bait): Promise<Pair[]> {
  const loopback = await bait.serve({ host: '127.0.0.1', port: 0 });
  const { address } = bait;
  const hasIpv6 = Object.values(networkInterfaces()).flat().some((entry) => entry?.address === '::1');
  return [
    { name: "the host's loopback", attempt: { try: 'tcp', host: '127.0.0.1', port: loopback }, controls: byKernel('network'), reached: saysWords },
    ...(hasIpv6 ? [{ name: "the host's loopback, IPv6", attempt: { try: 'tcp', host: '::1', port: await bait.serve({ host: '::1', port: 0 }) }, controls: byKernel('network'), reached: saysWords } satisfies Pair] : []),
    { name: "the host's loopback by user networking", attempt: { try: 'tcp', host: SLIRP_HOST, port: loopback }, controls: { qemu: { without: ['network'] } }, reached: saysWords },
    ...(address === undefined ? [] : [{ name: 'an address of the host', attempt: { try: 'tcp', host: address, port: await bait.serve({ host: address, port: 0 }) }, controls: byBoth('network'), reached: saysWords } satisfies Pair]),
    { name: "UDP to the host's loopback", attempt: { try: 'udp', host: '127.0.0.1', port: bait.datagramPort, text: 'x' }, controls: byKernel('network'), reached: saysWords },
    { name: "UDP to the host's loopback by user networking", attempt: { try: 'udp', host: SLIRP_HOST, port: bait.datagramPort, text: 'x' }, controls: { qemu: { without: ['network'] } }, reached: saysWords },
    { name: 'UDP other than DNS', attempt: { try: 'udp', host: '203.0.113.9', port: 9, text: 'x' }, controls: byBoth('udp') },
    { name: 'UDP other than DNS, IPv6', attempt: { try: 'udp', host: '2001:db8::9', port: 443, text: 'x' }, controls: byBoth('udp') },
    { name: 'an ICMP echo', attempt: echoRequest(SLIRP_HOST), controls: { qemu: { without: ['network'] } }, reached: ({ detail }) => detail === 'type 0' },
    { name: 'an abstract Unix socket', attempt: { try: 'unix', path: `\0${bait.folder}` }, controls: byKernel('network'), reached: saysWords },
    ...(hasVsock() ? [{ name: 'sockets to hypervisors (vsock)', attempt: { try: 'call', number: SOCKET_CALL, arguments: [AF_VSOCK, 1, 0] }, controls: byKernel('seccomp:families') } satisfies Pair] : []),
  ];
}

/** Where the host itself has none, there is nothing to reach. Node cannot open one. */
function hasVsock(): boolean {
  return /^AF_VSOCK\b/m.test(readFileSync('/proc/net/protocols', 'utf8'));
}

function shares(): Pair[] {
  return ['ro', 'rw'].flatMap((share): Pair[] => [
    { name: `a Unix socket in the share /${share}`, attempt: { try: 'unix', path: `/${share}/deep/socket` }, controls: byKernel('sockets'), reached: saysWords },
    { name: `a FIFO in the share /${share}`, attempt: { try: 'fifo', path: `/${share}/deep/fifo`, text: 'x' }, controls: byKernel('sockets') },
    { name: `.mentu in the share /${share}`, attempt: { try: 'read', path: `/${share}/deep/.mentu/flows` }, controls: byBoth('masks'), reached: saysWords },
    { name: `mentu.yaml in the share /${share}`, attempt: { try: 'read', path: `/${share}/mentu.yaml` }, controls: byBoth('masks'), reached: saysWords },
    { name: `a hidden path in the share /${share}`, attempt: { try: 'read', path: `/${share}/hidden/file` }, controls: byBoth('masks'), reached: saysWords },
    { name: `a link out of the share /${share}`, attempt: { try: 'read', path: `/${share}/link` }, controls: byBoth('root'), reached: saysWords },
  ]);
}

function files(bait: Bait): Pair[] {
  const secret = bait.path('secret');
  const read = (name: string, path: string): Pair => ({ name, attempt: { try: 'read', path }, controls: byBoth('root'), reached: saysWords });
  return [
    { name: 'writing to a read-only share', attempt: { try: 'write', path: '/ro/new', text: 'x' }, controls: byBoth('read-only') },
    { name: 'changing a file of a read-only share', attempt: { try: 'open', path: '/ro/data' }, controls: byBoth('read-only') },
    { name: 'making a read-only share writable', attempt: command('sh', '-c', 'mount -o remount,rw /ro 2>/dev/null; mv /ro/data /ro/moved && mv /ro/moved /ro/data'), controls: byBoth('read-only') },
    read("the host's files", secret),
    read("the host's files by ..", `/ro/../${secret}`),
    read("the host's files by /proc", `/proc/self/root${secret}`),
    { name: "the host's files by a link that the guest makes", attempt: command('sh', '-c', `ln -sfn ${secret} /rw/made && cat /rw/made`), controls: byBoth('root'), reached: saysWords },
    { name: 'what of /etc is not listed', attempt: { try: 'read', path: '/etc/login.defs' }, controls: byBoth('etc') },
  ];
}

function processes(bait: Bait): Pair[] {
  const { pid } = bait.process;
  return [
    { name: "the host's processes", attempt: command('grep', '-aF', bait.folder, `/proc/${pid}/cmdline`), controls: byKernel('processes'), reached: ({ reached, detail }) => reached && detail.includes(bait.folder) },
    { name: 'a signal to a process of the host', attempt: command('sh', '-c', `grep -aqF ${bait.folder} /proc/${pid}/cmdline && kill -CONT ${pid}`), controls: byKernel('processes') },
    { name: "the host's shared memory", attempt: command('ipcs', '-m', '-i', bait.segment), controls: byKernel('ipc'), reached: ({ reached, detail }) => reached && detail.includes('bytes=4096') },
    { name: "a monitor of the machine's", attempt: MONITOR, controls: { qemu: { without: ['monitor'] } } },
  ];
}

export async function commonPairs(bait: Bait): Promise<Pair[]> {
  return [...(await network(bait)), ...shares(), ...files(bait), ...processes(bait)];
}
