/** A CIR signal: one immutable observation. */
import { randomBytes } from 'node:crypto';

export interface Signal {
  /** `sig_…`; the signal of a flow is `sig_` and the flow's id, so that a flow has one signal however often it is stored. */
  readonly id: string;
  readonly type: string;
  /** One readable line. */
  readonly body: string;
  readonly domain: string | null;
  /** 0 to 1. */
  readonly confidence: number | null;
  readonly source: string | null;
  /** RFC 3339 in UTC with milliseconds; of a flow, when it began. */
  readonly created_at: string;
  readonly tags: readonly string[];
  readonly data: Readonly<Record<string, unknown>>;
}

/** A signal as stores take it: the structured parts are JSON text already, for they cross a thread. */
export interface PackedSignal {
  readonly id: string;
  readonly type: string;
  readonly body: string;
  readonly domain: string | null;
  readonly confidence: number | null;
  readonly source: string | null;
  readonly created_at: string;
  /** The job that it belongs to, for the index. */
  readonly job: string | null;
  /** JSON of a list of strings. */
  readonly tags: string;
  /** JSON of an object. */
  readonly data: string;
}

export const FLOW_SIGNAL = 'network_flow';
export const VIOLATION_SIGNAL = 'sandbox_violation';

/** The fields of a signal itself; in a filter every other name is one of `data`. */
export const SIGNAL_FIELDS = ['id', 'type', 'body', 'domain', 'confidence', 'source', 'created_at', 'tags'] as const;

/** An id for a signal that stands for nothing recorded elsewhere; ids of later milliseconds sort later. */
export function newSignalId(now = Date.now()): string {
  return `sig_${now.toString(36).padStart(9, '0')}${randomBytes(10).toString('hex')}`;
}
