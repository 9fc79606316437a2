/** What a flow record becomes in CIR: a `network_flow`, and a `sandbox_violation` where it broke a rule. */
import { STEP_ANNOTATION, STEP_FIELD_NAMES, flowFields, type FlowFields, type FlowRecord } from '../../core/index.ts';
import { FLOW_SIGNAL, VIOLATION_SIGNAL, type PackedSignal } from './signal.ts';

const SOURCE = 'mentu-interceptor';
const DOMAIN = 'network';
/** Characters of the readable line. */
const MAX_BODY = 500;
/** Characters of JSON. A flow with more, by its URL or by annotations, gets them shortened; its record has all. */
const MAX_DATA = 64 * 1024;

/** The signals of one flow: one, or two. The same record always gives the same signals. */
export function signalsOf(record: FlowRecord): PackedSignal[] {
  const fields = flowFields(record);
  const flow: PackedSignal = {
    id: `sig_${record.id}`,
    type: FLOW_SIGNAL,
    body: readableLine(fields),
    domain: DOMAIN,
    confidence: 1,
    source: SOURCE,
    created_at: inMilliseconds(record.timestamp),
    job: record.job_id,
    tags: JSON.stringify([fields.kind, fields.outcome, ...stepTag(record)]),
    data: bounded(fields),
  };
  return record.violation === null ? [flow] : [flow, violationSignal(record, record.violation, fields, flow)];
}

function violationSignal(record: FlowRecord, violation: NonNullable<FlowRecord['violation']>, fields: FlowFields, flow: PackedSignal): PackedSignal {
  return {
    ...flow,
    id: `sig_${violation.id}`,
    type: VIOLATION_SIGNAL,
    body: clipped(`${violation.host} ${violation.code === 'denied' ? 'denied' : `denied (${violation.code})`} by ${violation.rule}: ${subjectOf(fields)}`),
    tags: JSON.stringify([fields.kind, violation.code, ...stepTag(record)]),
    data: JSON.stringify({
      violation: violation.id,
      flow: record.id,
      flow_signal: flow.id,
      job: record.job_id,
      kind: fields.kind,
      code: violation.code,
      rule: clipped(violation.rule),
      host: violation.host,
      by: violation.by,
      method: fields.method,
      url: fields.url === undefined ? undefined : fields.url.slice(0, MAX_DATA / 2),
      port: fields.port,
      status: fields.status,
      sni: fields.sni,
      outcome: fields.outcome,
      ...stepFields(record),
    }),
  };
}

/** The name of the recipe's step that the flow belongs to. */
function stepTag(record: FlowRecord): string[] {
  const step = record.annotations[STEP_ANNOTATION]?.['step'];
  return typeof step === 'string' ? [clipped(step)] : [];
}

function stepFields(record: FlowRecord): Record<string, unknown> {
  const noted = record.annotations[STEP_ANNOTATION];
  if (noted === undefined) return {};
  return Object.fromEntries(STEP_FIELD_NAMES.flatMap((name) => (typeof noted[name] === 'string' ? [[name, clipped(noted[name])]] : [])));
}

function readableLine(fields: FlowFields): string {
  const subject = subjectOf(fields);
  const size = fields.response_size === undefined ? '' : `, ${fields.response_size} B`;
  const answer = fields.status === undefined ? '' : ` ${fields.status}${size}, ${Math.round(fields.latency_ms)} ms`;
  const end = fields.outcome === 'completed' ? '' : ` ${fields.outcome}${fields.error === undefined || fields.error === fields.outcome ? '' : ` (${fields.error})`}`;
  return clipped(`${subject}${answer}${end}${fields.outcome === 'denied' && fields.rule !== undefined ? ` by ${fields.rule}` : ''}`);
}

/** The request, or the connection where none was made. */
function subjectOf(fields: FlowFields): string {
  if (fields.method !== undefined) return `${fields.method} ${fields.url}`;
  if (fields.kind === 'dns') return `dns ${fields.dns_type ?? '?'} ${fields.host ?? '?'}${fields.dns_code === undefined ? '' : ` ${fields.dns_code}`}`;
  return `${fields.protocol} ${fields.host ?? '?'}:${fields.port}`;
}

function bounded(fields: FlowFields): string {
  const data = JSON.stringify(fields);
  if (data.length <= MAX_DATA) return data;
  const shortened: Record<string, unknown> = { ...fields, annotations: undefined, shortened: true };
  for (const key in shortened) {
    const value = shortened[key];
    if (typeof value === 'string') shortened[key] = clip(value, MAX_DATA / 32);
  }
  return JSON.stringify(shortened);
}

function clipped(text: string): string {
  return clip(text, MAX_BODY);
}

function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`;
}

/** `2026-01-02T03:04:05.678Z`, the one form in which times are stored, so that they sort as text. */
function inMilliseconds(timestamp: string): string {
  return timestamp.length === 24 && timestamp.endsWith('Z') ? timestamp : new Date(timestamp).toISOString();
}
