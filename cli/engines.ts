/** The guest engines by name, loaded when they are wanted. */
import { MentuError } from '../core/index.ts';
import type { Finding, GuestEngine } from '../plugins/engines/engine.ts';
import { nearest } from './nearest.ts';

const ENGINES: Readonly<Record<string, { readonly platform: NodeJS.Platform; load(): Promise<GuestEngine>; prove(): Promise<Finding[]> }>> = {
  namespace: {
    platform: 'linux',
    load: async () => new (await import('../plugins/engines/namespace/engine.ts')).NamespaceEngine(),
    prove: async () => (await import('../plugins/engines/namespace/selftest.ts')).selfTest(),
  },
};

export const ENGINE_NAMES = Object.keys(ENGINES);

/** @param name null takes the one that is built in for this machine. Throws `unknown_engine` or `no_engine`. */
export async function loadEngine(name: string | null): Promise<GuestEngine> {
  const chosen = name ?? ENGINE_NAMES.find((each) => ENGINES[each]!.platform === process.platform);
  if (chosen === undefined) throw new MentuError('no_engine', { platform: process.platform });
  const engine = Object.hasOwn(ENGINES, chosen) ? ENGINES[chosen] : undefined;
  if (!engine) throw new MentuError('unknown_engine', { engine: chosen, near: nearest(chosen, ENGINE_NAMES) ?? ENGINE_NAMES.join(', ') });
  if (engine.platform !== process.platform) throw new MentuError('no_engine', { platform: process.platform });
  return engine.load();
}

/** The engine's self-test: probes that must fail in a guest, each with its control. */
export function proveEngine(name: string): Promise<Finding[]> {
  return ENGINES[name]!.prove();
}
