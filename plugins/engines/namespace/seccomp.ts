/** The system call filter of a guest: which calls fail, with which error, and under which guard's name. */
import { constants } from 'node:os';
import type { Architecture, CallName } from './calls.ts';
import { assemble } from './filter.ts';
import type { Condition, Rule } from './filter.ts';
import type { Guard } from './guards.ts';

const { EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT } = constants.errno;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const INTERNET = [AF_INET, AF_INET6];
/** The low bits of a socket's type; the rest are flags (SOCK_NONBLOCK, SOCK_CLOEXEC). */
const SOCK_TYPE_MASK = 0xf;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const NETLINK_ROUTE = 0;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const CLONE_NAMESPACES = 0x7e020000;
/** A flag of unshare alone: clone's low byte is the exit signal. */
const CLONE_NEWTIME = 0x80;

const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** Bubblewrap's init: pid 1 of the guest runs without this filter, so nobody may take hold of it. */
const INIT: readonly Condition[] = [{ argument: 0, among: [1] }];

type SeccompGuard = Extract<Guard, `seccomp:${string}`>;

const fail = (errno: number, ...calls: CallName[]): Rule[] => calls.map((call) => ({ call, errno }));

const RULES: Readonly<Record<SeccompGuard, readonly Rule[]>> = {
  'seccomp:families': [
    { call: 'socket', errno: EAFNOSUPPORT, when: [{ argument: 0, notAmong: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] }] },
    { call: 'socketpair', errno: EAFNOSUPPORT, when: [{ argument: 0, notAmong: [AF_UNIX] }] },
    { call: 'socket', errno: EPROTONOSUPPORT, when: [{ argument: 0, among: [AF_NETLINK] }, { argument: 2, notAmong: [NETLINK_ROUTE] }] },
  ],
  'seccomp:raw': [
    { call: 'socket', errno: EPERM, when: [{ argument: 0, among: INTERNET }, { argument: 1, mask: SOCK_TYPE_MASK, notAmong: [SOCK_STREAM, SOCK_DGRAM] }] },
  ],
  // Among them MPTCP (262), whose extra subflows no proxy sees, and ICMP, which nothing answers.
  'seccomp:protocols': [
    { call: 'socket', errno: EPROTONOSUPPORT, when: [{ argument: 0, among: INTERNET }, { argument: 2, notAmong: [0, IPPROTO_TCP, IPPROTO_UDP] }] },
  ],
  'seccomp:namespaces': [
    { call: 'clone', errno: EPERM, when: [{ argument: 0, anyBit: CLONE_NAMESPACES }] },
    { call: 'unshare', errno: EPERM, when: [{ argument: 0, anyBit: CLONE_NAMESPACES | CLONE_NEWTIME }] },
    // Its flags lie in memory, which a filter cannot read; the C library falls back to clone.
    ...fail(ENOSYS, 'clone3'),
    ...fail(EPERM, 'setns'),
  ],
  'seccomp:mounts': fail(
    EPERM, 'mount', 'umount2', 'pivot_root', 'chroot', 'open_tree', 'move_mount', 'fsopen', 'fsconfig', 'fsmount',
    'fspick', 'mount_setattr', 'open_tree_attr', 'open_by_handle_at', 'fanotify_init', 'quotactl', 'quotactl_fd',
  ),
  'seccomp:terminal': [{ call: 'ioctl', errno: EPERM, when: [{ argument: 1, among: [TIOCSTI, TIOCLINUX] }] }],
  'seccomp:tracing': [
    { call: 'ptrace', errno: EPERM, when: [{ argument: 1, among: [1] }] },
    { call: 'process_vm_readv', errno: EPERM, when: INIT },
    { call: 'process_vm_writev', errno: EPERM, when: INIT },
    { call: 'pidfd_open', errno: EPERM, when: INIT },
    { call: 'kcmp', errno: EPERM },
  ],
  'seccomp:kernel': fail(
    EPERM, 'bpf', 'perf_event_open', 'userfaultfd', 'syslog', 'init_module', 'finit_module', 'delete_module', 'kexec_load',
    'kexec_file_load', 'reboot', 'acct', 'swapon', 'swapoff', 'lookup_dcookie', 'iopl', 'ioperm',
  ),
  'seccomp:keyring': fail(ENOSYS, 'add_key', 'request_key', 'keyctl'),
  'seccomp:uring': fail(ENOSYS, 'io_uring_setup', 'io_uring_enter', 'io_uring_register'),
};

/**
 * The program for bubblewrap's `--seccomp`. Calls of another architecture's interface (32-bit, x32) end the process;
 * calls newer than the filter do not exist.
 */
export function seccompProgram(architecture: Architecture, without: readonly Guard[] = []): Buffer {
  const rules = Object.entries(RULES).flatMap(([guard, group]) => (without.includes(guard as Guard) ? [] : group));
  return assemble(rules, architecture);
}

/** The architecture of this process, where the filter knows it. */
export function filterArchitecture(): Architecture | null {
  return process.arch === 'x64' || process.arch === 'arm64' ? process.arch : null;
}
