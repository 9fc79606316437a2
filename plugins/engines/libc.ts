/**
 * The few calls of the C library that Node has no face for, through koffi.
 * Every call is synchronous and short. Numbers are Linux's generic ones (x86_64 and aarch64 agree on them).
 */
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';

const AF = { 4: 2, 6: 10 } as const;
const SOCK = { tcp: 1, udp: 2 } as const;
const SOCK_CLOEXEC = 0o2000000;
const SOL_IP = 0;
const SOL_IPV6 = 41;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IPV6_V6ONLY = 26;
const CLONE_NEWNET = 0x40000000;
const O_CLOEXEC = 0o2000000;
const FIONREAD = 0x541b;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;

export type IpFamily = 4 | 6;

type Call = (...args: unknown[]) => number;

/** A call that failed, with the name of its error (`EPERM`). */
export class CallError extends Error {
  readonly errno: string;

  constructor(call: string, number: number) {
    const name = Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
    super(`${call}: ${name}`);
    this.name = 'CallError';
    this.errno = name;
  }
}

type Calls = Readonly<Record<'mount' | 'unshare' | 'setns' | 'socket' | 'setsockopt' | 'bind' | 'pipe2' | 'ioctl' | 'fcntl', Call>>;

export class LibC {
  readonly #calls: Calls;
  readonly #errno: () => number;

  private constructor(calls: Calls, errno: () => number) {
    this.#calls = calls;
    this.#errno = errno;
  }

  /** Loads koffi, some 10 ms. Rejects where it has no binary for this machine. */
  static async load(): Promise<LibC> {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    const call = (signature: string): Call => library.func(signature) as unknown as Call;
    return new LibC(
      {
        mount: call('int mount(str source, str target, str type, unsigned long flags, str data)'),
        unshare: call('int unshare(int flags)'),
        setns: call('int setns(int fd, int type)'),
        socket: call('int socket(int family, int type, int protocol)'),
        setsockopt: call('int setsockopt(int fd, int level, int name, void *value, uint length)'),
        bind: call('int bind(int fd, void *address, uint length)'),
        pipe2: call('int pipe2(void *fds, int flags)'),
        ioctl: call('int ioctl(int fd, unsigned long request, void *argument)'),
        fcntl: call('int fcntl(int fd, int command, long argument)'),
      },
      () => koffi.errno(),
    );
  }

  #check(name: string, result: number): number {
    if (result < 0) throw new CallError(name, this.#errno());
    return result;
  }

  mount(source: string, target: string, type: string | null, flags: number, data: string | null): void {
    this.#check(`mount of ${source} on ${target}`, this.#calls.mount(source, target, type, flags, data));
  }

  /** Moves the calling thread, and the processes that it starts from now on, to a new network namespace. */
  unshareNetwork(): void {
    this.#check('unshare', this.#calls.unshare(CLONE_NEWNET));
  }

  /** Moves the calling thread to the network namespace behind `fd`. */
  enterNetwork(fd: number): void {
    this.#check('setns', this.#calls.setns(fd, CLONE_NEWNET));
  }

  /**
   * A bound socket on the wildcard address, close-on-exec, whose descriptor the caller owns.
   * A transparent one may be given connections to any address (tproxy) and answers from that address.
   */
  wildcardSocket(kind: 'tcp' | 'udp', family: IpFamily, port: number, transparent: boolean): number {
    const fd = this.#check('socket', this.#calls.socket(AF[family], SOCK[kind] | SOCK_CLOEXEC, 0));
    const on = Buffer.from(new Uint32Array([1]).buffer);
    if (family === 6) this.#check('IPV6_V6ONLY', this.#calls.setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, on, 4));
    if (transparent) {
      const [level, option] = family === 4 ? [SOL_IP, IP_TRANSPARENT] : [SOL_IPV6, IPV6_TRANSPARENT];
      this.#check('IP_TRANSPARENT', this.#calls.setsockopt(fd, level, option, on, 4));
    }
    const address = Buffer.alloc(family === 4 ? 16 : 28);
    new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF[family];
    address.writeUInt16BE(port, 2);
    this.#check(`bind to port ${port}`, this.#calls.bind(fd, address, address.length));
    return fd;
  }

  /** A pipe, both ends close-on-exec. */
  pipe(): { read: number; write: number } {
    const fds = Buffer.alloc(8);
    this.#check('pipe2', this.#calls.pipe2(fds, O_CLOEXEC));
    return { read: fds.readInt32LE(0), write: fds.readInt32LE(4) };
  }

  /** Bytes that lie unread in a pipe; either end will do. */
  unread(fd: number): number {
    const count = Buffer.alloc(4);
    this.#check('ioctl FIONREAD', this.#calls.ioctl(fd, FIONREAD, count));
    return count.readInt32LE(0);
  }

  /** An ioctl whose argument is one 32-bit word or a small structure, read and written in place. */
  ioctl(fd: number, request: number, argument: Buffer): void {
    this.#check(`ioctl 0x${request.toString(16)}`, this.#calls.ioctl(fd, request, argument));
  }

  /**
   * Marks every descriptor above 2 close-on-exec. Node does so with its own; what a process inherited from a careless
   * parent would otherwise be handed on to the guest.
   */
  closeOnExec(): void {
    for (const name of readdirSync('/proc/self/fd')) {
      const fd = Number(name);
      if (fd > 2) this.#calls.fcntl(fd, F_SETFD, FD_CLOEXEC); // the folder's own descriptor is gone by now
    }
  }
}
