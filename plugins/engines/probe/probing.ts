/** Runs the probe program in a guest and brings its outcomes out. */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MentuError } from '../../../core/index.ts';
import { NO_LIMITS } from '../engine.ts';
import type { Guest, GuestEngine, GuestSpec, Mount, PlaneDrops } from '../engine.ts';
import type { Attempt, Outcome } from './probe.ts';

const RUN_LIMIT_MS = 30_000;
const FOLDER = '/mnt/probe';
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

export interface Probing {
  /** As it is, or made without a guard. */
  readonly engine: GuestEngine;
  readonly attempts: readonly Attempt[];
  readonly spec?: Partial<GuestSpec>;
  /** Called with the prepared guest, before it runs: for who serves its listeners. */
  readonly prepared?: (guest: Guest) => void;
  readonly limitMs?: number;
}

export interface Probed {
  /** In the order of the attempts. */
  readonly outcomes: readonly Outcome[];
  readonly drops: PlaneDrops;
}

export async function probeGuest({ engine, attempts, spec = {}, prepared, limitMs = RUN_LIMIT_MS }: Probing): Promise<Probed> {
  const folder = mkdtempSync(join(tmpdir(), 'mentu-probe-'));
  const [nothing, output] = [openSync('/dev/null', 'r'), openSync(join(folder, 'outcomes'), 'w+')];
  let guest: Guest | null = null;
  try {
    guest = await engine.prepare({
      jobId: 'probe',
      command: `${FOLDER}/node`,
      args: ['--no-warnings', `${FOLDER}/probe.${EXTENSION}`, JSON.stringify(attempts)],
      env: {},
      maskedNames: [],
      hiddenPaths: [],
      network: 'plane',
      limits: NO_LIMITS,
      ports: [],
      rootfs: null,
      caCertificate: null,
      terminal: null,
      stdio: [nothing, output, 2],
      ...spec,
      mounts: [...probeMounts(), ...(spec.mounts ?? [])],
    });
    prepared?.(guest);
    await guest.run();
    const { code, failure } = await bounded(guest.exited, limitMs);
    if (code !== 0) throw failure ?? new MentuError('engine_failed', { reason: `the probe ended with code ${code}` });
    const drops = await guest.drops();
    return { outcomes: JSON.parse(readFileSync(join(folder, 'outcomes'), 'utf8')) as Outcome[], drops };
  } finally {
    await guest?.close();
    closeSync(nothing);
    closeSync(output);
    rmSync(folder, { recursive: true });
  }
}

/** Node, the program and the library it calls, at places of their own in the guest. */
function probeMounts(): Mount[] {
  const modules = join(dirname(createRequire(import.meta.url).resolve('koffi')), '..');
  const program = fileURLToPath(new URL(`./probe.${EXTENSION}`, import.meta.url));
  return [
    { source: process.execPath, destination: `${FOLDER}/node` },
    { source: program, destination: `${FOLDER}/probe.${EXTENSION}` },
    ...['koffi', '@koromix']
      .filter((name) => existsSync(join(modules, name)))
      .map((name) => ({ source: join(modules, name), destination: `${FOLDER}/node_modules/${name}` })),
  ].map((mount) => ({ ...mount, readOnly: true }));
}

async function bounded<Result>(promise: Promise<Result>, limitMs: number): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new MentuError('engine_failed', { reason: `the probe did not end within ${limitMs / 1000} s` })), limitMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
