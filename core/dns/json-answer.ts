/** Look-ups as JSON, `application/dns-json`: what Google and Cloudflare made of DNS over HTTPS, and others took over. */
import type { DnsAnswerRecord, DnsRecord } from '../record-parts.ts';
import { codeName, typeName } from './numbers.ts';

/** Answers that are shown at most. */
const MAX_ANSWERS = 1000;

/** The question of a query string: `name=example.com&type=AAAA`; null where it has none. */
export function jsonQuestion(parameters: URLSearchParams): DnsRecord | null {
  const name = parameters.get('name');
  if (name === null || name === '') return null;
  const type = parameters.get('type') ?? 'A';
  const isSet = (flag: string): boolean => ['1', 'true'].includes(parameters.get(flag) ?? '');
  return {
    transport: 'https',
    name: withoutRoot(name.toLowerCase()),
    type: /^\d{1,5}$/.test(type) ? typeName(Number(type)) : type.toUpperCase(),
    class: 'IN',
    code: null,
    answers: [],
    synthetic: false,
    truncated: false,
    edns: isSet('do') ? { version: 0, payload_size: 0, dnssec_ok: true } : null,
  };
}

/** The question with the answer that a text of JSON is; null where it is none. */
export function jsonAnswer(question: DnsRecord, text: string): DnsRecord | null {
  const answer = parsed(text);
  if (!isObject(answer) || !Number.isInteger(answer['Status']) || !Array.isArray(answer['Question'])) return null;
  const records = Array.isArray(answer['Answer']) ? (answer['Answer'] as unknown[]).slice(0, MAX_ANSWERS) : [];
  return { ...question, code: codeName(answer['Status'] as number), truncated: answer['TC'] === true, answers: records.flatMap((record) => answerRecord(record) ?? []) };
}

function answerRecord(record: unknown): DnsAnswerRecord | null {
  if (!isObject(record)) return null;
  const { name, type, TTL: ttl, data } = record;
  if (typeof name !== 'string' || !Number.isInteger(type) || !Number.isInteger(ttl) || (ttl as number) < 0 || typeof data !== 'string') return null;
  return { name: withoutRoot(name), type: typeName(type as number), ttl: ttl as number, data };
}

function withoutRoot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
