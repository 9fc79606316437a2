import type { BodyRecord, FlowRecord, HeaderPairs } from '../../core/index.ts';
import { maskDigests, maskHeaders } from './header-fields.ts';
import { maskQuestion } from './lookup-mask.ts';
import { MASK, maskText } from './mask.ts';
import type { RedactRules } from './rules.ts';

/** What does not come from the traffic, or holds nothing but names, numbers and times of ours. */
const OURS = new Set(['version', 'id', 'job_id', 'kind', 'timestamp', 'outcome', 'request', 'response', 'latency_ms', 'http_version', 'client', 'upstream', 'connection_id', 'bytes', 'timing']);
const OF_DATA = new Set(['data', 'data_encoding', 'data_file']);
/** What protocols add to a record. */
export const PARTS = ['websocket', 'events', 'grpc', 'tcp', 'passthrough', 'dns', 'udp'] as const;
const DEEPEST = 32;

interface Message extends BodyRecord {
  headers: HeaderPairs;
  trailers: HeaderPairs;
}

/** Masks all that a record shows, in place; bodies in files are not its concern. Returns how many secrets there were. */
export function maskRecord(record: FlowRecord, rules: RedactRules): number {
  const { request, response, dns } = record;
  let count = 0;
  if (request !== null) {
    const url = maskText(request.url, rules.line);
    const method = maskText(request.method, rules.line);
    request.url = url.text;
    request.method = method.text;
    count += url.count + method.count + maskMessage(request, rules);
  }
  if (response !== null) {
    const reason = maskText(response.status_text, rules.line);
    response.status_text = reason.text;
    count += reason.count + maskMessage(response, rules);
    for (const { headers } of response.informational) count += maskHeaders(headers, rules);
  }
  const rest = record as unknown as Record<string, unknown>;
  for (const key of Object.keys(rest)) {
    if (OURS.has(key)) continue;
    const masked = maskValue(rest[key], rules, 0);
    rest[key] = masked.value;
    count += masked.count;
  }
  return record.dns === dns ? count : count + maskQuestion(record);
}

/** Leaves out what would let a masked body be guessed: the hash of its bytes, ours and those in headers. */
export function forgetHash(message: Message): void {
  message.body_sha256 = null;
  maskDigests(message.headers);
  maskDigests(message.trailers);
}

/** Shows nothing of a body any more. */
export function dropBody(message: Message): void {
  message.body_truncated ||= message.body !== null;
  message.body = null;
  message.body_encoding = null;
  forgetHash(message);
}

/** Leaves of a record only what cannot hold a secret. */
export function stripRecord(record: FlowRecord): void {
  const { request, response } = record;
  for (const message of [request, response]) {
    if (message === null) continue;
    message.headers = [];
    message.trailers = [];
    dropBody(message);
  }
  if (request !== null && !/^[A-Z]{1,16}$/.test(request.method)) request.method = MASK;
  if (request !== null) request.url = `${/^https?:\/\//.exec(request.url)?.[0] ?? ''}${record.server.name ?? record.server.address ?? ''}/${MASK}`;
  if (response !== null) {
    response.status_text = '';
    response.informational = [];
  }
  // Objects that flows of one connection may share are replaced, not changed.
  if (record.error !== null) record.error = { ...record.error, message: MASK };
  if (record.policy !== null) record.policy = { ...record.policy, rule: MASK };
  if (record.violation !== null) record.violation = { ...record.violation, rule: MASK };
  for (const part of PARTS) delete record[part];
  record.annotations = {};
}

function maskMessage(message: Message, rules: RedactRules): number {
  let count = maskHeaders(message.headers, rules) + maskHeaders(message.trailers, rules);
  if (message.body === null) return count;
  const finders = rules.body(headerOf(message.headers, 'content-type'));
  const masked =
    message.body_encoding === 'base64'
      ? maskText(Buffer.from(message.body, 'base64').toString('latin1'), finders)
      : maskText(message.body, finders);
  if (masked.count === 0) return count;
  count += masked.count;
  message.body = message.body_encoding === 'base64' ? Buffer.from(masked.text, 'latin1').toString('base64') : masked.text;
  forgetHash(message);
  return count;
}

/** Masks the texts in any value of JSON; data of messages and first bytes are `PartMask`'s concern. */
export function maskValue(value: unknown, rules: RedactRules, depth: number): { value: unknown; count: number } {
  if (typeof value === 'string') {
    const { text, count } = maskText(value, rules.line);
    return { value: text, count };
  }
  if (typeof value !== 'object' || value === null) return { value, count: 0 };
  if (depth === DEEPEST) return { value: MASK, count: 1 };
  let count = 0;
  const isData = 'data_encoding' in value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
    if (isData && OF_DATA.has(key)) return [key, item];
    if (typeof item === 'string' && item !== '' && item !== MASK && rules.fields.isSecret(key, () => item)) {
      count += 1;
      return [key, MASK];
    }
    const masked = maskValue(item, rules, depth + 1);
    count += masked.count;
    return [key, masked.value];
  });
  if (count === 0) return { value, count };
  return { value: Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries), count };
}

/** The first value of a field. */
export function headerOf(headers: HeaderPairs, name: string): string | undefined {
  return headers.find(([field]) => field.toLowerCase() === name)?.[1];
}
