/** Numbers of the system calls that the filter knows, from the kernel's tables for x86_64 and the generic one. */

export type Architecture = 'x64' | 'arm64';

/** [x86_64, aarch64]; null where the architecture has no such call. */
export const CALLS = {
  socket: [41, 198],
  socketpair: [53, 199],
  ioctl: [16, 29],
  clone: [56, 220],
  clone3: [435, 435],
  unshare: [272, 97],
  setns: [308, 268],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_open: [434, 434],
  kcmp: [312, 272],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  setgroups: [116, 159],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  open_by_handle_at: [304, 265],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  syslog: [103, 116],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  reboot: [169, 142],
  acct: [163, 89],
  swapon: [167, 224],
  swapoff: [168, 225],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  lookup_dcookie: [212, 18],
  fanotify_init: [300, 262],
  iopl: [172, null],
  ioperm: [173, null],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
} as const satisfies Record<string, readonly [number, number | null]>;

export type CallName = keyof typeof CALLS;

export const AUDIT_ARCH: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Numbers from here on belong to x86_64's 32-bit-pointer interface. */
export const X32_BIT = 0x40000000;

/** The highest number that was looked at (Linux 6.17, file_setattr); newer calls do not exist for a guest. */
export const LAST_CALL = 469;

export function callNumber(name: CallName, architecture: Architecture): number | null {
  return CALLS[name][architecture === 'x64' ? 0 : 1];
}
