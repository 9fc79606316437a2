/** The guest engines by name, loaded when they are wanted. */
import { join } from 'node:path';
import { MentuError } from '../core/index.ts';
import { mentuHome } from '../plugins/cir-sink/location.ts';
import type { Finding, GuestEngine } from '../plugins/engines/engine.ts';
import { nearest } from './nearest.ts';
import { EngineChoice } from './settings/engine-choice.ts';

export interface EngineOptions {
  /** A kernel's file, for an engine that boots one; null: the one that was set up. */
  readonly kernel?: string | null;
}

export interface SetupOptions {
  readonly kernel: string | null;
  /** Told of each step, in sentences. */
  readonly say: (sentence: string) => void;
}

interface EngineEntry {
  readonly platform: NodeJS.Platform;
  readonly boundary: GuestEngine['boundary'];
  load(options: EngineOptions): Promise<GuestEngine>;
  /** The self-test: probes that must fail in a guest, each with its control. */
  prove(): Promise<Finding[]>;
  /** Resolves to what was set up, as sentences for people and as data. Absent where there is nothing to set up. */
  setUp?(options: SetupOptions): Promise<Readonly<Record<string, string>>>;
}

const qemuHome = (): string => join(mentuHome(), 'engines', 'qemu');

const ENGINES: Readonly<Record<string, EngineEntry>> = {
  namespace: {
    platform: 'linux',
    boundary: 'namespace',
    load: async () => new (await import('../plugins/engines/namespace/engine.ts')).NamespaceEngine(),
    prove: async () => (await import('../plugins/engines/namespace/selftest.ts')).selfTest(),
  },
  qemu: {
    platform: 'linux',
    boundary: 'kernel',
    load: async ({ kernel = null }) => new (await import('../plugins/engines/qemu/engine.ts')).QemuEngine({ home: qemuHome(), kernel }),
    prove: async () => (await import('../plugins/engines/qemu/selftest.ts')).selfTest(qemuHome()),
    setUp: async ({ kernel: path, say }) => {
      const { kernel, accelerator } = await (await import('../plugins/engines/qemu/setup.ts')).setupQemu({ home: qemuHome(), kernel: path, say });
      return { kernel: kernel.release, origin: kernel.origin, key: kernel.key, accelerator };
    },
  },
};

export const ENGINE_NAMES = Object.keys(ENGINES);

/** The engine of guests where nothing names one: the user's choice, else the one that is built in for this machine. Throws `no_engine`. */
export function defaultEngine(): string {
  const chosen = new EngineChoice(mentuHome()).read() ?? ENGINE_NAMES.find((each) => ENGINES[each]!.platform === process.platform);
  if (chosen === undefined) throw new MentuError('no_engine', { platform: process.platform });
  return chosen;
}

/** @param name null takes the default. Throws `unknown_engine` or `no_engine`. */
export async function loadEngine(name: string | null, options: EngineOptions = {}): Promise<GuestEngine> {
  const entry = entryOf(name ?? defaultEngine());
  if (entry.platform !== process.platform) throw new MentuError('no_engine', { platform: process.platform });
  return entry.load(options);
}

/** Whether an engine can run on this platform at all, and how strong its boundary is. Throws `unknown_engine`. */
export function engineTraits(name: string): Pick<EngineEntry, 'platform' | 'boundary'> {
  return entryOf(name);
}

/** Null where the engine needs no setup beyond programs of the system. Throws `unknown_engine`. */
export async function setUpEngine(name: string, options: SetupOptions): Promise<Readonly<Record<string, string>> | null> {
  return (await entryOf(name).setUp?.(options)) ?? null;
}

/** The engine's self-test. Throws `unknown_engine`. */
export function proveEngine(name: string): Promise<Finding[]> {
  return entryOf(name).prove();
}

function entryOf(name: string): EngineEntry {
  const entry = Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined;
  if (!entry) throw new MentuError('unknown_engine', { engine: name, near: nearest(name, ENGINE_NAMES) ?? ENGINE_NAMES.join(', ') });
  return entry;
}
