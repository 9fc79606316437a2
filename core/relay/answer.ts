/** Answers that we give in the upstream's place: denials, failures, and what a plugin answers. */
import { STATUS_CODES } from 'node:http';
import { MentuError, statusOf } from '../errors.ts';
import { Headers } from '../headers.ts';
import type { Verdict } from '../decision.ts';
import type { ViolationRecord } from '../record.ts';
import type { ResponseHead } from '../exchange.ts';

export interface Answer {
  readonly head: ResponseHead;
  readonly body: Buffer;
}

/** One shape for every denial, whatever the protocol: it names the rule and not the address. */
export function denialAnswer(violation: ViolationRecord): Answer {
  const body = { error: violation.code, rule: violation.rule, host: violation.host, violation: violation.id };
  return answer(403, [['x-mentu-violation', violation.id]], 'application/json', Buffer.from(JSON.stringify(body) + '\n'));
}

/** The table's error for a decision to deny. @param destination what the connection is for. */
export function denialError(verdict: Extract<Verdict, { action: 'deny' }>, host: string, destination: string): MentuError {
  return new MentuError(verdict.code ?? 'denied', { host, rule: verdict.rule, plugin: verdict.by, reason: verdict.rule, destination, name: host });
}

/** The rule by which the dialler itself refused to dial; null where the error is no refusal. */
export function dialRefusal(error: MentuError): string | null {
  if (error.code === 'proxy_loop') return 'the proxy itself';
  if (error.code !== 'address_denied') return null;
  const range = error.params['range'];
  return range === undefined ? 'not a public address' : `not a public address: ${range}`;
}

export function failureAnswer(error: MentuError): Answer {
  const body = { error: error.code, message: error.message, remedy: error.remedy };
  return answer(statusOf(error.code), [['x-mentu-error', error.code]], 'application/json', Buffer.from(JSON.stringify(body) + '\n'));
}

export function pluginAnswer(verdict: Extract<Verdict, { action: 'answer' }>): Answer {
  const body = typeof verdict.body === 'string' ? Buffer.from(verdict.body) : Buffer.from(verdict.body ?? []);
  const bare = verdict.status === 204 || verdict.status === 304;
  return answer(verdict.status, verdict.headers ?? [], null, bare ? Buffer.alloc(0) : body);
}

function answer(status: number, fields: readonly (readonly [string, string])[], type: string | null, body: Buffer): Answer {
  const headers = Headers.from(fields);
  if (type !== null) headers.append('content-type', type);
  const bare = status === 204 || status === 304;
  headers.delete('transfer-encoding');
  if (!bare) headers.set('content-length', String(body.length));
  return { head: { status, statusText: STATUS_CODES[status] ?? '', httpVersion: '1.1', headers, hasBody: body.length > 0 }, body };
}
