/** Runs the assembled program, for both architectures, in an interpreter of the instructions that it uses. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { AUDIT_ARCH, CALLS, LAST_CALL, X32_BIT, callNumber } from '../../../../plugins/engines/namespace/calls.ts';
import type { Architecture, CallName } from '../../../../plugins/engines/namespace/calls.ts';
import { GUARDS } from '../../../../plugins/engines/namespace/guards.ts';
import { seccompProgram } from '../../../../plugins/engines/namespace/seccomp.ts';

const ALLOW = 'allow';
const KILL = 'kill';

/** What the kernel would do: `allow`, `kill`, or the name of the error. */
function decide(program: Buffer, architecture: number, number: number, integers: readonly number[] = []): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(architecture, 4);
  integers.forEach((integer, index) => data.writeBigInt64LE(BigInt(integer), 16 + 8 * index));
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const [code, yes, no, value] = [program.readUInt16LE(at * 8), program.readUInt8(at * 8 + 2), program.readUInt8(at * 8 + 3), program.readUInt32LE(at * 8 + 4)];
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x15) at += accumulator === value ? yes : no;
    else if (code === 0x35) at += accumulator >= value ? yes : no;
    else if (code === 0x45) at += (accumulator & value) !== 0 ? yes : no;
    else if (code === 0x06) {
      if (value === 0x7fff0000) return ALLOW;
      if (value === 0x80000000) return KILL;
      assert.equal(value & 0xffff0000, 0x00050000);
      return Object.entries(constants.errno).find(([, errno]) => errno === (value & 0xffff))![0];
    } else assert.fail(`unknown instruction 0x${code.toString(16)}`);
  }
  assert.fail('the program has no end');
}

const CASES: readonly (readonly [call: CallName, integers: readonly number[], decision: string])[] = [
  ['socket', [1, 1, 0], ALLOW],
  ['socket', [2, 1, 0], ALLOW],
  ['socket', [2, 1 | 0o2004000, 6], ALLOW],
  ['socket', [10, 2, 17], ALLOW],
  ['socket', [16, 3, 0], ALLOW],
  ['socket', [16, 2 | 0o2000000, 0], ALLOW],
  ['socket', [16, 3, 15], 'EPROTONOSUPPORT'],
  ['socket', [16, 3, 12], 'EPROTONOSUPPORT'],
  ['socket', [2, 3, 1], 'EPERM'],
  ['socket', [2, 3 | 0o2000000, 255], 'EPERM'],
  ['socket', [10, 3, 58], 'EPERM'],
  ['socket', [2, 2, 1], 'EPROTONOSUPPORT'],
  ['socket', [2, 5, 132], 'EPERM'],
  ['socket', [2, 1, 132], 'EPROTONOSUPPORT'],
  ['socket', [2, 1, 262], 'EPROTONOSUPPORT'],
  ['socket', [10, 1, 262], 'EPROTONOSUPPORT'],
  ['socket', [2, 2, 136], 'EPROTONOSUPPORT'],
  ...[3, 15, 17, 29, 31, 38, 40, 44, 45].map((family) => ['socket', [family, 1, 0], 'EAFNOSUPPORT'] as const),
  // The kernel reads 32 bits of the family: the rest must not hide it.
  ['socket', [0x1_0000_0011, 3, 0], 'EAFNOSUPPORT'],
  ['socketpair', [1, 1, 0], ALLOW],
  ['socketpair', [30, 1, 0], 'EAFNOSUPPORT'],
  ['clone', [0x01200011], ALLOW],
  ['clone', [0x3d0f00], ALLOW],
  ...[0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000].flatMap((flag) => [
    ['clone', [flag | 17], 'EPERM'] as const,
    ['unshare', [flag], 'EPERM'] as const,
  ]),
  ['unshare', [0x80], 'EPERM'],
  ['unshare', [0x200], ALLOW],
  ['clone3', [], 'ENOSYS'],
  ['setns', [3, 0], 'EPERM'],
  ['ioctl', [0, 0x5412], 'EPERM'],
  ['ioctl', [0, 0x541c], 'EPERM'],
  ['ioctl', [0, 0x1_0000_5412], 'EPERM'],
  ['ioctl', [0, 0x5413], ALLOW],
  ['ioctl', [0, 0x540e], ALLOW],
  ['ptrace', [0, 0], ALLOW],
  ['ptrace', [16, 2], ALLOW],
  ['ptrace', [16, 1], 'EPERM'],
  ['pidfd_open', [1, 0], 'EPERM'],
  ['pidfd_open', [2, 0], ALLOW],
  ['process_vm_writev', [1], 'EPERM'],
  ['process_vm_readv', [7], ALLOW],
  ...(['mount', 'umount2', 'pivot_root', 'chroot', 'open_tree', 'fsopen', 'move_mount', 'mount_setattr', 'open_by_handle_at', 'bpf', 'perf_event_open',
    'userfaultfd', 'init_module', 'kexec_load', 'reboot', 'syslog', 'swapon', 'iopl', 'ioperm'] as const).map((call) => [call, [], 'EPERM'] as const),
  ...(['keyctl', 'add_key', 'request_key', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'] as const).map((call) => [call, [], 'ENOSYS'] as const),
];

for (const architecture of ['x64', 'arm64'] as const satisfies readonly Architecture[]) {
  const program = seccompProgram(architecture);
  const arch = AUDIT_ARCH[architecture];

  test(`the filter's decisions on ${architecture}`, () => {
    for (const [call, integers, decision] of CASES) {
      const number = callNumber(call, architecture);
      if (number !== null) assert.equal(decide(program, arch, number, integers), decision, `${call}(${integers.map((integer) => `0x${integer.toString(16)}`).join(', ')})`);
    }
  });

  test(`ordinary calls are allowed on ${architecture}`, () => {
    const known = new Set(Object.keys(CALLS).map((name) => callNumber(name as CallName, architecture)));
    for (let number = 0; number <= LAST_CALL; number++) {
      if (!known.has(number)) assert.equal(decide(program, arch, number, [-1, -1, -1]), ALLOW, `call ${number}`);
    }
  });

  test(`calls of another architecture end the process on ${architecture}, unknown ones do not exist`, () => {
    const others = [0x40000003, AUDIT_ARCH[architecture === 'x64' ? 'arm64' : 'x64'], 0x40000028];
    for (const other of others) assert.equal(decide(program, other, 1), KILL);
    assert.equal(decide(program, arch, LAST_CALL + 1), 'ENOSYS');
    assert.equal(decide(program, arch, X32_BIT | 41), architecture === 'x64' ? KILL : 'ENOSYS');
  });
}

test('each group of rules can be left out alone, by the name of its guard', () => {
  const whole = seccompProgram('x64').length;
  for (const guard of GUARDS.filter((name) => name.startsWith('seccomp:'))) {
    const rest = seccompProgram('x64', [guard]);
    assert.ok(rest.length < whole, guard);
    const changed = CASES.filter(([call, integers, decision]) => decide(rest, AUDIT_ARCH.x64, callNumber(call, 'x64')!, integers) !== decision);
    assert.ok(changed.length > 0, guard);
    assert.ok(changed.every(([, , decision]) => decision !== ALLOW), guard);
  }
});
