/**
 * The few calls of the C library that Node has no face for, through koffi.
 * Every call is synchronous and short. Numbers are Linux's generic ones (x86_64 and aarch64 agree on them).
 */
import { constants, openSync, readdirSync } from 'node:fs';
import { CallError } from './call-error.ts';

const AF = { 4: 2, 6: 10 } as const;
const AF_UNIX = 1;
const SOCK = { tcp: 1, udp: 2 } as const;
const SOCK_CLOEXEC = 0o2000000;
const SOL_IP = 0;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const TRANSPARENT: Readonly<Record<IpFamily, readonly [number, number]>> = { 4: [SOL_IP, 19], 6: [SOL_IPV6, 75] };
const ON = Buffer.from(new Uint32Array([1]).buffer);
const [SOL_SOCKET, SO_REUSEADDR] = [1, 2];
const RECEIVE_DESTINATION: Readonly<Record<IpFamily, readonly [number, number]>> = { 4: [SOL_IP, 20], 6: [SOL_IPV6, 74] }; // IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR
const [SOCK_RAW, IPPROTO_RAW] = [3, 255];
const [MSG_DONTWAIT, POLLIN] = [0x40, 1];
const CLONE_NEWNET = 0x40000000;
const O_CLOEXEC = 0o2000000;
const TUNSETIFF = 0x400454ca;
const [IFF_TAP, IFF_NO_PI, IFF_VNET_HDR] = [0x2, 0x1000, 0x4000];
const FIONREAD = 0x541b;
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const FD_CLOEXEC = 1;
const RLIMIT_NPROC = 6;

export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;

export type IpFamily = 4 | 6;

const PAGE = 4096;
const [PROT_READ, PROT_WRITE, PROT_EXEC] = [1, 2, 4];
const [MAP_PRIVATE, MAP_ANONYMOUS] = [2, 0x20];
/** rdtsc; shl rdx, 32; or rax, rdx; ret */
const RDTSC = Uint8Array.of(0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3);

type Call = (...args: unknown[]) => number;

type Calls = Readonly<Record<'mount' | 'unshare' | 'setns' | 'socket' | 'setsockopt' | 'bind' | 'pipe2' | 'ioctl' | 'fcntl' | 'listen' | 'prlimit' | 'recvmsg' | 'sendto', Call>> & { readonly poll: (fds: Buffer, done: (error: unknown) => void) => void };

export class LibC {
  readonly #calls: Calls;
  readonly #readCounter: (machineCode: Uint8Array) => () => bigint;
  readonly #errno: () => number;

  private constructor(calls: Calls, readCounter: (machineCode: Uint8Array) => () => bigint, errno: () => number) {
    this.#calls = calls;
    this.#readCounter = readCounter;
    this.#errno = errno;
  }

  /** Loads koffi, some 10 ms. Rejects where it has no binary for this machine. */
  static async load(): Promise<LibC> {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    const piece = koffi.struct({ base: 'void *', length: 'size_t' }); // without a name, which koffi would take once in a process
    const message = koffi.struct({ name: 'void *', nameLength: 'uint32_t', pieces: koffi.pointer(piece), count: 'size_t', control: 'void *', controlLength: 'size_t', flags: 'int' });
    const call = (signature: string): Call => library.func(signature) as unknown as Call;
    const poll = library.func('int poll(void *fds, ulong count, int timeout)');
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
        listen: call('int listen(int fd, int backlog)'),
        prlimit: call('int prlimit(int pid, int resource, void *limits, void *old)'),
        fcntl: call('int fcntl(int fd, int command, long argument)'),
        recvmsg: library.func('recvmsg', 'long', ['int', koffi.pointer(message), 'int']) as unknown as Call,
        sendto: call('long sendto(int fd, void *data, size_t length, int flags, void *address, uint addressLength)'),
        poll: (fds, done) => poll.async(fds, fds.length / 8, -1, done),
      },
      (machineCode) => {
        const map = library.func('void *mmap(void *at, size_t length, int protection, int flags, int fd, long offset)');
        const protect = library.func('int mprotect(void *at, size_t length, int protection)');
        const page = map(null, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        koffi.encode(page, 0, koffi.array('uint8_t', machineCode.length), machineCode);
        if (protect(page, PAGE, PROT_READ | PROT_EXEC) !== 0) throw new CallError('mprotect', koffi.errno());
        const read = koffi.decode(page, koffi.proto('uint64_t counter()')) as () => number | bigint;
        return () => BigInt(read());
      },
      () => koffi.errno(),
    );
  }

  /** A reader of x86_64's time-stamp counter, for which the C library has no call. Throws where no page may be made executable. */
  timestampCounter(): () => bigint {
    return this.#readCounter(RDTSC);
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
    const address = Buffer.alloc(family === 4 ? 16 : 28);
    new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF[family];
    address.writeUInt16BE(port, 2);
    return this.#boundSocket(kind, family, address, transparent, false);
  }

  /** The like for one address, which may be anyone's; several sockets may have it. @param address struct sockaddr_in or sockaddr_in6. */
  foreignSocket(family: IpFamily, address: Buffer): number {
    return this.#boundSocket('udp', family, address, true, true);
  }

  #boundSocket(kind: 'tcp' | 'udp', family: IpFamily, address: Buffer, transparent: boolean, shared: boolean): number {
    const fd = this.#check('socket', this.#calls.socket(AF[family], SOCK[kind] | SOCK_CLOEXEC, 0));
    if (family === 6) this.#switchOn(fd, SOL_IPV6, IPV6_V6ONLY);
    if (transparent) this.#switchOn(fd, ...TRANSPARENT[family]);
    if (shared) this.#switchOn(fd, SOL_SOCKET, SO_REUSEADDR);
    this.#check('bind', this.#calls.bind(fd, address, address.length));
    return fd;
  }

  #switchOn(fd: number, level: number, option: number): void {
    this.#check(`socket option ${level}/${option}`, this.#calls.setsockopt(fd, level, option, ON, 4));
  }

  /** Makes `receive` tell the destination of each datagram. */
  tellDestinations(fd: number, family: IpFamily): void {
    this.#switchOn(fd, ...RECEIVE_DESTINATION[family]);
  }

  /** A datagram, its sender's address and what the kernel says of it, each into its buffer. Its length; -1 where there is none. */
  receive(fd: number, data: Buffer, name: Buffer, control: Buffer): number {
    control.fill(0);
    const message = { name, nameLength: name.length, pieces: { base: data, length: data.length }, count: 1, control, controlLength: control.length, flags: 0 };
    return this.#calls.recvmsg(fd, message, MSG_DONTWAIT);
  }

  /** Calls back when one of the descriptors can be read or is closed at its other end. Takes a thread of the pool until then. */
  whenReadable(fds: readonly number[], done: () => void): void {
    const list = Buffer.allocUnsafeSlow(8 * fds.length).fill(0); // struct pollfd
    fds.forEach((fd, i) => {
      list.writeInt32LE(fd, 8 * i);
      list.writeInt16LE(POLLIN, 8 * i + 4);
    });
    this.#calls.poll(list, () => list.fill(0) && done()); // the list must live as long as the thread writes to it
  }

  /** A socket for whole IP packets, close-on-exec, whose descriptor the caller owns. */
  packetSocket(family: IpFamily): number {
    return this.#check('socket', this.#calls.socket(AF[family], SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  }

  /** False where the kernel does not take it. */
  sendPacket(fd: number, packet: Buffer, to: Buffer): boolean {
    return this.#calls.sendto(fd, packet, packet.length, MSG_DONTWAIT, to, to.length) >= 0;
  }

  /** A Unix socket that listens, close-on-exec, whose descriptor the caller owns. It blocks, as programs that are handed one expect. */
  unixListener(path: string): number {
    const name = Buffer.from(path);
    if (name.length > 107) throw new Error(`the path of a Unix socket has at most 107 bytes: ${path}`);
    const fd = this.#check('socket', this.#calls.socket(AF_UNIX, SOCK.tcp | SOCK_CLOEXEC, 0));
    const address = Buffer.alloc(110); // struct sockaddr_un
    new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
    name.copy(address, 2);
    this.#check(`bind to ${path}`, this.#calls.bind(fd, address, address.length));
    this.#check('listen', this.#calls.listen(fd, 1));
    return fd;
  }

  /** A tap interface of the calling thread's network namespace, which lives as long as the descriptor, which the caller owns. */
  tap(name: string): number {
    const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
    const request = Buffer.alloc(40); // struct ifreq
    request.write(name, 0, 15, 'latin1');
    request.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 16);
    this.ioctl(fd, TUNSETIFF, request);
    return fd;
  }

  /** A pipe, both ends close-on-exec. */
  pipe(size?: number): { read: number; write: number } {
    const fds = Buffer.alloc(8);
    this.#check('pipe2', this.#calls.pipe2(fds, O_CLOEXEC));
    const [read, write] = [fds.readInt32LE(0), fds.readInt32LE(4)];
    if (size !== undefined) this.#calls.fcntl(write, F_SETPIPE_SZ, size); // where the user may not have so much, as it is
    return { read, write };
  }

  /** Another descriptor of the same file, which stays here when this process starts others. */
  duplicate(fd: number): number {
    return this.#check('fcntl F_DUPFD_CLOEXEC', this.#calls.fcntl(fd, F_DUPFD_CLOEXEC, 0));
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

  /** Bounds the processes that the user of `pid`, within its user namespace, may have while such processes start more. Nothing raises it again. */
  limitProcesses(pid: number, count: number): void {
    const limits = Buffer.alloc(16);
    this.#check('prlimit', this.#calls.prlimit(pid, RLIMIT_NPROC, null, limits));
    const least = [0, 8].map((at) => limits.readBigUInt64LE(at)).reduce((a, b) => (a < b ? a : b), BigInt(count));
    for (const at of [0, 8]) limits.writeBigUInt64LE(least, at);
    this.#check('prlimit', this.#calls.prlimit(pid, RLIMIT_NPROC, limits, null));
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
