/**
 * KVM or TCG, by trial: a /dev/kvm that opens proves nothing (in a nested machine it may make a machine that never
 * comes up). A bounded boot tells, and the answer is kept for this boot of the host.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findMachineTools } from './examination.ts';
import { PROBE_LINE, PROBE_WORD } from './kernel/initramfs.ts';
import { board, kernelLine } from './machine.ts';
import type { Accelerator } from './plan.ts';
import { measureTscKhz } from './tsc.ts';

const DEVICE = '/dev/kvm';
const KVM_LIMIT_MS = 5_000;
const WORDS_LIMIT = 2048;

export interface BootedKernel {
  readonly image: string;
  readonly initramfs: string;
  readonly key: string;
}

export interface ProbedBoot {
  readonly up: boolean;
  readonly milliseconds: number;
  /** Where it did not come up: the last lines of the console and of QEMU. */
  readonly words: string;
}

/** What was found, for the host and the programs that it was found with. */
interface Kept {
  readonly host: string;
  readonly tscKhz: number | null;
  /** By the key of a kernel. */
  readonly kvm: Readonly<Record<string, boolean>>;
}

export class Accelerators {
  readonly #home: string;
  #kept: Promise<Kept> | null = null;

  /** `home`: the folder in which the findings are kept. */
  constructor(home: string) {
    this.#home = home;
  }

  async choose(kernel: BootedKernel): Promise<Accelerator> {
    if (!canOpen(DEVICE)) return 'tcg';
    const kept = await this.#read();
    const known = kept.kvm[kernel.key];
    if (known !== undefined) return known ? 'kvm' : 'tcg';
    const { up } = await probeBoot(kernel, 'kvm', null, KVM_LIMIT_MS);
    await this.#write({ ...kept, kvm: { ...kept.kvm, [kernel.key]: up } });
    return up ? 'kvm' : 'tcg';
  }

  async tscKhz(): Promise<number | null> {
    const kept = await this.#read();
    if (kept.tscKhz !== null) return kept.tscKhz;
    const tscKhz = await measureTscKhz();
    if (tscKhz !== null) await this.#write({ ...kept, tscKhz });
    return tscKhz;
  }

  get #file(): string {
    return join(this.#home, 'machine.json');
  }

  #read(): Promise<Kept> {
    this.#kept ??= readFile(this.#file, 'utf8')
      .then((text) => JSON.parse(text) as Kept)
      .then((kept) => (kept.host === hostOf() ? kept : Promise.reject(new Error('of another host'))))
      .catch(() => ({ host: hostOf(), tscKhz: null, kvm: {} }));
    return this.#kept;
  }

  async #write(kept: Kept): Promise<void> {
    // Two findings at once are put together.
    this.#kept = this.#read().then((now) => ({ ...now, ...kept, tscKhz: kept.tscKhz ?? now.tscKhz, kvm: { ...now.kvm, ...kept.kvm } }));
    const temporary = `${this.#file}.${randomBytes(4).toString('hex')}`;
    await mkdir(this.#home, { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify(await this.#kept), { mode: 0o600 });
    await rename(temporary, this.#file);
  }
}

/** Starts a machine that has nothing but the kernel, up to the line that says so. Never rejects. */
export async function probeBoot(kernel: Pick<BootedKernel, 'image' | 'initramfs'>, accelerator: Accelerator, tscKhz: number | null, limitMs: number): Promise<ProbedBoot> {
  const found = findMachineTools();
  if ('missing' in found) return { up: false, milliseconds: 0, words: `${found.missing.join(', ')} not found` };
  const began = performance.now();
  const machine = spawn(
    found.tools.qemu,
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
      ...board(accelerator, tscKhz),
      ...['-m', '256M', '-kernel', kernel.image, '-initrd', kernel.initramfs, '-append', `${kernelLine({ accelerator, tscKhz })} ${PROBE_WORD}`],
      ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: {}, cwd: '/' },
  );
  return new Promise((resolve) => {
    let words = '';
    let up = false;
    const timer = setTimeout(() => machine.kill('SIGKILL'), limitMs);
    for (const stream of [machine.stdout, machine.stderr]) {
      stream.setEncoding('latin1').on('data', (chunk: string) => {
        words = (words + chunk).slice(-WORDS_LIMIT);
        if (!words.includes(PROBE_LINE)) return;
        up = true;
        machine.kill('SIGKILL');
      });
    }
    const settle = (): void => {
      clearTimeout(timer);
      resolve({ up, milliseconds: performance.now() - began, words: up ? '' : words.trim() });
    };
    machine.on('error', (error) => {
      words += error.message;
      settle();
    });
    machine.on('close', settle);
  });
}

function canOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** This boot of this host, and its QEMU. */
function hostOf(): string {
  const found = findMachineTools();
  const qemu = 'missing' in found ? 0 : statSync(found.tools.qemu).mtimeMs;
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${qemu}`;
}
