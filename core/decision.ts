/** What hooks decide about a connection or a request. */
import type { ErrorCode } from './errors.ts';

/** What a tap of `onConnect` or `onRequest` may return; nothing means no opinion. */
export type Decision =
  /** Noted in the record; later taps may still deny. `wouldDeny` marks what an audit would have denied. */
  | { readonly action: 'allow'; readonly rule: string; readonly wouldDeny?: boolean }
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
