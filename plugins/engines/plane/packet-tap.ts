/**
 * The helper's part of a packet capture: tcpdump at the plane's end of the guest's link. It runs in bubblewrap with the
 * one capability that it needs, sees the system's programs alone, and ends with the helper.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { LibC } from '../libc.ts';
import { assemble } from '../namespace/filter.ts';
import { filterArchitecture } from '../namespace/seccomp.ts';
import { systemPrograms } from '../root/programs.ts';
import type { Tools } from '../tools.ts';
import { PLANE } from './addresses.ts';
import { startCommand } from './command.ts';
import { PACKET_STDIO } from './message.ts';

const FILTER_FD = 3;
/** What waits for tcpdump in the kernel at most, in KiB. */
const BUFFER_KIB = 64 * 1024;
/** The kernel hands a block of packets over when it is full, or after a second, which is tcpdump's own choice. */
const HANDED_OVER_MS = 1_200;
const END_LIMIT_MS = 2_000;

export class PacketTap {
  readonly #tools: Tools;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  /** To be made by the main thread, which lives in the plane, when the link is there. */
  constructor(libc: LibC, tools: Tools, tcpdump: string) {
    this.#tools = tools;
    libc.closeOnExec(); // the guest's own streams, above all
    const filter = libc.pipe();
    writeSync(filter.write, groupsFilter());
    closeSync(filter.write);
    const root = [...systemPrograms(), '--ro-bind', '/etc/passwd', '/etc/passwd', '--remount-ro', '/'];
    const bounds = ['--cap-drop', 'ALL', '--cap-add', 'CAP_NET_RAW', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--clearenv', '--seccomp', `${FILTER_FD}`];
    const dump = [tcpdump, '-Z', 'root', '-i', PLANE.interface, '-n', '-w', '-', '-U', '-B', `${BUFFER_KIB}`, '--time-stamp-precision=nano'];
    this.#child = spawn(tools.bwrap, [...root, ...bounds, '--', ...dump], { stdio: ['ignore', ...PACKET_STDIO, filter.read], env: {}, cwd: '/' });
    this.#ended = new Promise((resolve) => this.#child.once('error', () => resolve()).once('exit', () => resolve()));
    for (const fd of [filter.read, ...PACKET_STDIO]) closeSync(fd);
  }

  /** After the guest's end: lets tcpdump take what the kernel holds, and ends it by taking the link away. */
  async close(): Promise<void> {
    await Promise.race([this.#ended, pause(HANDED_OVER_MS)]);
    const removal = startCommand(this.#tools.ip, ['link', 'delete', PLANE.interface]);
    removal.feed('');
    await removal.done.catch(() => undefined); // gone already, with the guest
    await Promise.race([this.#ended, pause(END_LIMIT_MS)]);
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/**
 * tcpdump gives up the groups of whoever starts it as root. In a user namespace of a user's own there are none to give up
 * and the call is refused, so the filter lets it seem done.
 */
function groupsFilter(): Buffer {
  const architecture = filterArchitecture();
  if (architecture === null) throw new Error(`no system call filter for ${process.arch}`);
  return assemble([{ call: 'setgroups', errno: 0 }], architecture);
}
