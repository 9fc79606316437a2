/** What hooks decide about a connection or a request. */
import { ERRORS, type ErrorCode } from './errors.ts';
import { fieldFault } from './headers.ts';

/** What a tap of `onConnect` or `onRequest` may return; nothing means no opinion. */
export type Decision =
  /**
   * Noted in the record; later taps may still deny. `wouldDeny` marks what an audit would have denied. `mayBePinned`: a
   * client that leaves when it has seen our certificate has refused it, though it does not say so.
   */
  | { readonly action: 'allow'; readonly rule: string; readonly wouldDeny?: boolean; readonly mayBePinned?: boolean }
  /** Ends the decision. `host` is the name that broke the rule. */
  | { readonly action: 'deny'; readonly rule: string; readonly host?: string; readonly code?: ErrorCode }
  /** Ends the decision: answered in the upstream's place, nothing is dialled. In `onConnect`, it answers every request of the connection. */
  | {
      readonly action: 'answer';
      readonly rule: string;
      readonly status: number;
      readonly headers?: readonly (readonly [string, string])[];
      readonly body?: string | Uint8Array;
    }
  /** `onConnect` only; ends the decision: TLS is relayed without being decrypted. */
  | { readonly action: 'passthrough'; readonly rule: string };

/** The decision with the plugin that made it. */
export type Verdict = Decision & { readonly by: string };

/** What is wrong with what a tap returned, or null. A plugin in JavaScript may return anything, and what cannot be understood must not pass. */
export function decisionFault(decision: unknown, hook: 'onConnect' | 'onRequest'): string | null {
  if (typeof decision !== 'object' || decision === null) return `it returned ${JSON.stringify(decision) ?? typeof decision}`;
  if (typeof (decision as { then?: unknown }).then === 'function') return 'it returned a promise, for which there is tapPromise';
  const { action, rule, code, host, status, headers, body } = decision as Record<string, unknown>;
  if (typeof rule !== 'string') return 'its decision has no rule';
  if (action === 'allow') return null;
  if (action === 'deny') {
    if (code !== undefined && !(typeof code === 'string' && Object.hasOwn(ERRORS, code))) return `there is no error ${JSON.stringify(code)}`;
    return host === undefined || typeof host === 'string' ? null : 'the host of its denial is no text';
  }
  if (action === 'passthrough') return hook === 'onConnect' ? null : 'passthrough is for onConnect';
  if (action !== 'answer') return `there is no action ${JSON.stringify(action)}`;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) return `an answer cannot have the status ${JSON.stringify(status)}`;
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) return 'the body of its answer is neither text nor bytes';
  if (headers === undefined) return null;
  if (!Array.isArray(headers)) return 'the headers of its answer are no list of pairs';
  for (const pair of headers as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return 'the headers of its answer are no list of pairs';
    const fault = fieldFault(pair[0], pair[1]);
    if (fault !== null) return fault;
  }
  return null;
}
