import { MentuError } from '../../../../core/index.ts';

/** `mend`: the one line that does. */
export function failure(reason: string, mend: string, cause?: unknown): MentuError {
  return new MentuError('engine_setup_failed', { engine: 'qemu', reason, mend }, { cause });
}
