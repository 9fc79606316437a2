/** What a guest of this engine must not reach of the kernel that it shares with the host: what every engine is tried for is in test/engines/. */
import { after, before, test } from 'node:test';
import { callNumber } from '../../../../plugins/engines/namespace/calls.ts';
import { filterArchitecture } from '../../../../plugins/engines/namespace/seccomp.ts';
import type { Attempt, Outcome } from '../../../../plugins/engines/probe/probe.ts';
import { NAMESPACE } from '../../../engines/engines.ts';
import { assertHolds, table, tryPairs } from '../../../engines/pairs.ts';
import type { Pair, Row } from '../../../engines/pairs.ts';

const otherErrorThan = (errno: string) => ({ detail }: Outcome): boolean => detail !== errno;
const call = (name: Parameters<typeof callNumber>[0], ...integers: number[]): Attempt => ({ try: 'call', number: callNumber(name, filterArchitecture()!)!, arguments: integers });
const pair = (name: string, attempt: Attempt, without: readonly string[], reached?: Pair['reached']): Pair => ({ name, attempt, controls: { namespace: { without } }, ...(reached ? { reached } : {}) });

const PAIRS: readonly Pair[] = [
  pair('raw sockets', call('socket', 2, 3, 6), ['seccomp:raw', 'capabilities']),
  pair('raw ICMP sockets', call('socket', 2, 3, 1), ['seccomp:raw', 'seccomp:protocols', 'capabilities']),
  pair('packet sockets', call('socket', 17, 3, 0), ['seccomp:families', 'capabilities']),
  pair('netlink other than routes', call('socket', 16, 3, 15), ['seccomp:families']),
  pair('MPTCP', call('socket', 2, 1, 262), ['seccomp:protocols']),
  pair('MPTCP, IPv6', call('socket', 10, 1, 262), ['seccomp:protocols']),
  pair('capabilities', { try: 'command', command: ['grep', '-E', '^Cap(Eff|Prm|Amb):.*[1-9a-f]', '/proc/self/status'] }, ['capabilities']),
  pair("the kernel's symbols", { try: 'read', path: '/proc/kallsyms' }, ['proc']),
  pair("the kernel's command line", { try: 'read', path: '/proc/cmdline' }, ['proc']),
  // The kernel asks for the user's number alone, and a guest of root's has root's.
  ...(process.getuid!() === 0 ? ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/panic'].map((path) => pair(`writing ${path}`, { try: 'open', path }, ['proc'])) : []),
  pair('the memory of the unfiltered pid 1', { try: 'memory', pid: 1 }, ['proc']),
  pair('the memory of pid 1 by process_vm_writev', call('process_vm_writev', 1), ['seccomp:tracing']),
  pair('a handle of pid 1', call('pidfd_open', 1), ['seccomp:tracing']),
  pair('tracing pid 1', call('ptrace', 0x4206, 1), ['seccomp:tracing']),
  pair('nested user namespaces', { try: 'command', command: ['unshare', '--user', 'true'] }, ['seccomp:namespaces']),
  pair('clone3', call('clone3'), ['seccomp:namespaces'], otherErrorThan('ENOSYS')),
  pair('mounts', { try: 'command', command: ['mount', '-t', 'tmpfs', 'none', '/tmp'] }, ['seccomp:mounts', 'capabilities']),
  // Without a terminal the kernel's own answers differ from the filter's.
  pair('TIOCSTI', call('ioctl', 0, 0x5412), ['seccomp:terminal'], otherErrorThan('EPERM')),
  pair('TIOCLINUX', call('ioctl', 0, 0x541c), ['seccomp:terminal'], otherErrorThan('EPERM')),
  pair('io_uring', call('io_uring_setup', 1), ['seccomp:uring'], otherErrorThan('ENOSYS')),
  pair('perf events', call('perf_event_open'), ['seccomp:kernel'], otherErrorThan('EPERM')),
  pair('keyrings', call('keyctl', 0, -3), ['seccomp:keyring'], otherErrorThan('ENOSYS')),
];

let rows: readonly Row[] = [];
before(async () => {
  ({ rows } = await tryPairs(NAMESPACE, PAIRS));
});
after(() => console.log(table(rows)));

for (const [index, { name }] of PAIRS.entries()) {
  test(`out of reach, and within reach where the guard is missing: ${name}`, () => assertHolds(rows[index]!));
}
