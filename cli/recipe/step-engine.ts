/** Which engine gives a step its guest. */
import type { GuestEngine } from '../../plugins/engines/engine.ts';
import { ENGINE_NAMES, engineTraits, loadEngine } from '../engines.ts';

export interface StepEngine {
  readonly engine: GuestEngine;
  /** True where a virtual machine was asked for, no engine was named, and none with a kernel of its own is set up. */
  readonly isStopgap: boolean;
}

/**
 * @param named by step, recipe, profile, `mentu.yaml` or `engine switch`.
 * @param kernel for an engine that boots one. Throws `unknown_engine` or `no_engine`.
 */
export async function engineOfStep(named: string | null, kernel: string | null): Promise<StepEngine> {
  if (named !== null) return { engine: await loadEngine(named, { kernel }), isStopgap: false };
  for (const name of ENGINE_NAMES) {
    const { platform, boundary } = engineTraits(name);
    if (platform !== process.platform || boundary !== 'kernel') continue;
    const engine = await loadEngine(name, { kernel });
    if ((await engine.examine()).every(({ ok }) => ok)) return { engine, isStopgap: false };
  }
  const engine = await loadEngine(null);
  return { engine, isStopgap: engine.boundary !== 'kernel' };
}
