/** Bubblewrap's part of a guest: its options, its start, and how it ended. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { LibC } from '../libc.ts';
import type { GroupMembership } from '../limits/membership.ts';
import { GUEST_STDIO } from '../plane/message.ts';
import type { HelperExit } from '../plane/message.ts';
import { HOSTNAME } from '../root/etc.ts';
import { bytes } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';
import type { Stage } from '../root/stage.ts';
import type { GuestPlan } from './plan.ts';
import { SEALS } from './root.ts';
import { filterArchitecture, seccompProgram } from './seccomp.ts';
import { sessionOf } from './session.ts';

/** Descriptors as bubblewrap gets them. It closes each before the command runs. */
const FD = { options: 3, filter: 4, block: 5, status: 6 } as const;
const SETUP_FAILED = 'bubblewrap could not set the guest up; its own message is on stderr';
const SETUP_LIMIT_MS = 20_000;
const END_LIMIT_MS = 2_000;

/** Bubblewrap with its guest set up and waiting. */
export class Bubblewrap {
  readonly exited: Promise<HelperExit>;
  readonly #libc: LibC;
  readonly #child: ChildProcess;
  readonly #block: { read: number; write: number };
  /** Pid of the guest's init, in the helper's namespace. */
  readonly #init: Promise<number>;
  /** The exit code as bubblewrap tells it, which it does only of a command that it has come to start. */
  #exitCode: number | null = null;
  #ended = false;

  /** Forked by the calling thread, whose network namespace the guest gets. */
  constructor(libc: LibC, stage: Stage, plan: GuestPlan, root: readonly BytePath[]) {
    const architecture = filterArchitecture();
    if (architecture === null) throw new Error(`no system call filter for ${process.arch}`);
    this.#libc = libc;
    this.#block = libc.pipe();
    const session = sessionOf(stage, plan);
    const options = openSync(stage.file(Buffer.from([...isolation(plan, session.environment), ...root, ...session.options, ...SEALS].join('\0') + '\0', 'latin1')), 'r');
    const filter = openSync(stage.file(seccompProgram(architecture, plan.without)), 'r');
    // Options travel by descriptor, for a command line is everybody's to read and the environment is among them.
    const fixed = ['--args', FD.options, '--seccomp', FD.filter, '--block-fd', FD.block, '--json-status-fd', FD.status].map(String);
    this.#child = spawn(plan.tools.bwrap, [...fixed, '--', ...session.command], {
      stdio: [...GUEST_STDIO, options, filter, this.#block.read, 'pipe'],
      env: {},
      cwd: '/',
    });
    closeSync(options);
    closeSync(filter);
    const init = Promise.withResolvers<number>();
    this.#init = init.promise;
    this.#init.catch(() => undefined);
    const status = createInterface({ input: (this.#child.stdio as readonly unknown[])[FD.status] as NodeJS.ReadableStream });
    status.on('line', (line) => {
      const told = JSON.parse(line) as { 'child-pid'?: number; 'exit-code'?: number };
      if (told['child-pid'] !== undefined) init.resolve(told['child-pid']);
      this.#exitCode = told['exit-code'] ?? null;
    });
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve({ code: null, reason: error.message }));
      // `close` and not `exit`: the last line of the status may come after the process has ended.
      this.#child.on('close', (_, signal) => resolve(this.#exit(signal)));
    });
    void this.exited.then(() => init.reject(new Error('bubblewrap has ended')));
    void this.exited.then(() => (this.#ended = true));
  }

  /** Puts what the guest will run into its control groups, or under a limit of processes alone. Before `release`. */
  async confine(groups: GroupMembership, { required, processes }: GuestPlan['limits']): Promise<void> {
    const init = await this.#init.catch(() => null); // `release` tells why
    if (init === null) return;
    try {
      groups.add(init);
    } catch (error) {
      if (required) throw error;
    }
    if (processes !== null) this.#libc.limitProcesses(init, processes);
  }

  /** Lets the command run. Resolves when bubblewrap has made all mounts and seen it. */
  async release(): Promise<void> {
    writeSync(this.#block.write, '.');
    const limit = performance.now() + SETUP_LIMIT_MS;
    while (this.#waits()) {
      if (this.#ended) throw new Error((await this.exited).reason ?? 'bubblewrap ended');
      if (performance.now() > limit) throw new Error('bubblewrap did not set the guest up in time');
      await pause(1);
    }
  }

  /** Sends a signal to the command itself, which is pid 2 of the guest. False where it has ended. */
  async signal(name: NodeJS.Signals): Promise<boolean> {
    const limit = performance.now() + END_LIMIT_MS;
    const init = await this.#init;
    while (!this.#ended && performance.now() < limit) {
      const command = commandOf(init);
      // Until it becomes the command it is bubblewrap, which would end without having told of a command's start.
      if (command !== null && nameOf(command) !== 'bwrap') return process.kill(command, name);
      await pause(1); // between release and fork
    }
    const command = this.#ended ? null : commandOf(init);
    return command !== null && process.kill(command, name); // a command of that name
  }

  /** Kills every process of the guest and resolves when the kernel has ended them. */
  async close(): Promise<void> {
    if (!this.#ended) {
      const init = await Promise.race([this.#init.catch(() => null), pause(END_LIMIT_MS, null, { ref: false })]);
      if (!this.#ended) kill(init ?? this.#child.pid);
      const ended = await Promise.race([this.exited.then(() => true), pause(END_LIMIT_MS, false, { ref: false })]);
      if (!ended) kill(this.#child.pid);
      await this.exited;
    }
    closeSync(this.#block.read);
    closeSync(this.#block.write);
  }

  /** The byte that releases the guest lies unread until bubblewrap gets there. */
  #waits(): boolean {
    return this.#libc.unread(this.#block.read) > 0;
  }

  #exit(signal: NodeJS.Signals | null): HelperExit {
    if (signal !== null) return { code: null, reason: `bubblewrap was ended by ${signal}` };
    if (this.#exitCode === null) return { code: null, reason: SETUP_FAILED };
    return { code: this.#exitCode, reason: null };
  }
}

function isolation({ without, identity, cwd }: GuestPlan, environment: GuestPlan['environment']): BytePath[] {
  return [
    ...(without.includes('capabilities') ? [] : ['--unshare-user', '--uid', `${identity.uid}`, '--gid', `${identity.gid}`, '--cap-drop', 'ALL']),
    ...(without.includes('processes') ? [] : ['--unshare-pid']),
    ...(without.includes('ipc') ? [] : ['--unshare-ipc']),
    ...['--unshare-uts', '--hostname', HOSTNAME, '--unshare-cgroup-try', '--die-with-parent', '--clearenv'],
    ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', bytes(name), bytes(value)]),
    ...['--chdir', bytes(cwd)],
  ];
}

/** The child of the guest's init that is pid 2 there; orphans that init adopts are others. */
function commandOf(init: number): number | null {
  let children: string;
  try {
    children = readFileSync(`/proc/${init}/task/${init}/children`, 'utf8');
  } catch {
    return null;
  }
  return children.trim().split(' ').filter(Boolean).map(Number).find((pid) => innermostPid(pid) === 2) ?? null;
}

function innermostPid(pid: number): number | null {
  try {
    const [, pids = ''] = /^NSpid:\s+(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(pids.split(/\s+/).at(-1));
  } catch {
    return null;
  }
}

function nameOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return null;
  }
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}
