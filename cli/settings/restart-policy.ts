/** Whether a command that failed is run again: `no`, `on-failure`, `on-failure:N`, as Docker writes it. */
import { MentuError, type ErrorPlace } from '../../core/index.ts';

export interface RestartPolicy {
  /** As the user wrote it. */
  readonly text: string;
  /** How often at most; Infinity where only success, a signal or a time limit ends it. */
  readonly restarts: number;
}

export const NO_RESTART: RestartPolicy = { text: 'no', restarts: 0 };

/** Throws `restart_policy_unsupported`. */
export function parseRestartPolicy(text: string, place: ErrorPlace): RestartPolicy {
  if (text === 'no') return NO_RESTART;
  if (text === 'on-failure') return { text, restarts: Infinity };
  const restarts = Number(/^on-failure:([1-9]\d{0,8})$/.exec(text)?.[1]);
  if (Number.isNaN(restarts)) throw new MentuError('restart_policy_unsupported', { policy: JSON.stringify(text) }, { place });
  return { text, restarts };
}
