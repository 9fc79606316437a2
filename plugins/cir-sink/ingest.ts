/** Fills a store from a `flows.jsonl`: after a crash, from another machine, or into a new store. */
import { createReadStream } from 'node:fs';
import { RECORD_VERSION, type FlowRecord } from '../../core/index.ts';
import { readLines } from './lines.ts';
import { signalsOf } from './projection.ts';
import type { PackedSignal } from './signal.ts';
import type { SignalStore } from './store.ts';

export interface IngestReport {
  /** Flows read. */
  readonly flows: number;
  /** Signals that were not in the store yet. */
  readonly added: number;
  /** Lines that are no flow record, the torn one not counted. */
  readonly bad: number;
  /** Number of a last line without its end, as a crash leaves it. */
  readonly torn: number | null;
}

export interface IngestOptions {
  /** Told of each line that is left out: its number, from 1, and why. */
  readonly onBadLine?: (line: number, reason: string) => void;
  readonly signal?: AbortSignal;
}

/** Signals and characters of one transaction. */
const BATCH_SIGNALS = 1_000;
const BATCH_SIZE = 4 * 1024 * 1024;

/** Memory is bounded by the longest line allowed. Flows that are stored already stay as they are. */
export async function ingestFlows(file: string, store: SignalStore, { onBadLine, signal }: IngestOptions = {}): Promise<IngestReport> {
  let [flows, added, bad, size] = [0, 0, 0, 0];
  let torn: number | null = null;
  let batch: PackedSignal[] = [];
  const write = async (): Promise<void> => {
    if (batch.length > 0) added += await store.append(batch);
    batch = [];
    size = 0;
  };
  const chunks = createReadStream(file, { highWaterMark: 256 * 1024, ...(signal === undefined ? {} : { signal }) });
  for await (const line of readLines(chunks)) {
    const read = line.text === null ? `it is longer than ${line.limit / 1024 / 1024} MiB` : readRecord(line.text);
    if (read === undefined) continue;
    if (typeof read === 'string') {
      const isTorn = !line.ended && line.text !== null;
      if (isTorn) torn = line.number;
      else bad++;
      onBadLine?.(line.number, isTorn ? 'it breaks off; the capture ended while it was written' : read);
      continue;
    }
    flows++;
    for (const packed of signalsOf(read)) {
      batch.push(packed);
      size += packed.data.length + packed.body.length;
    }
    if (batch.length >= BATCH_SIGNALS || size >= BATCH_SIZE) await write();
  }
  await write();
  return { flows, added, bad, torn };
}

/** The record of a line, or why it is none; undefined for an empty line. */
function readRecord(text: string): FlowRecord | string | undefined {
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `it is not JSON: ${(error as Error).message.slice(0, 120)}`;
  }
  return mistakeOf(value) ?? (value as FlowRecord);
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isIdentity: Check = (value) => typeof value === 'string' && value.length > 0 && value.length <= 200;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const orNull = (check: Check): Check => (value) => value === null || check(value);
const isHeaders: Check = (value) => Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isText));

/** What the projection reads; the schema of the record says more, but the rest does not concern a signal. */
const REQUIRED: readonly (readonly [path: string, check: Check, wanted: string])[] = [
  ['id', isIdentity, 'an id'],
  ['job_id', isIdentity, 'an id'],
  ['kind', isText, 'a text'],
  ['timestamp', (value) => isText(value) && !Number.isNaN(Date.parse(value as string)), 'a time'],
  ['outcome', isText, 'a text'],
  ['latency_ms', isNumber, 'a number'],
  ['http_version', orNull(isText), 'a text or null'],
  ['tls_sni', orNull(isText), 'a text or null'],
  ['error', orNull(isObject), 'an object or null'],
  ['request', orNull(isObject), 'an object or null'],
  ['request.method', isText, 'a text'],
  ['request.url', isText, 'a text'],
  ['request.headers', isHeaders, 'a list of [name, value]'],
  ['response', orNull(isObject), 'an object or null'],
  ['response.status', isNumber, 'a number'],
  ['response.headers', isHeaders, 'a list of [name, value]'],
  ['tls', orNull(isObject), 'an object or null'],
  ['client', isObject, 'an object'],
  ['server', isObject, 'an object'],
  ['server.name', orNull(isText), 'a text or null'],
  ['server.address', orNull(isText), 'a text or null'],
  ['upstream', orNull(isObject), 'an object or null'],
  ['bytes', isObject, 'an object'],
  ['timing', isObject, 'an object'],
  ['policy', orNull(isObject), 'an object or null'],
  ['violation', orNull(isObject), 'an object or null'],
  ['violation.id', isIdentity, 'an id'],
  ['violation.rule', isText, 'a text'],
  ['violation.host', isText, 'a text'],
  ['violation.code', isText, 'a text'],
  ['annotations', (value) => isObject(value) && Object.values(value).every(isObject), 'an object of objects'],
];

function mistakeOf(value: unknown): string | undefined {
  if (!isObject(value)) return 'it is no object';
  if (typeof value['version'] === 'number' && value['version'] > RECORD_VERSION) {
    return `it was written by a newer version of this program (record version ${value['version']}, known here: ${RECORD_VERSION})`;
  }
  if (value['version'] !== RECORD_VERSION) return 'it is no flow record: "version" is missing';
  for (const [path, check, wanted] of REQUIRED) {
    const [name, inner] = path.split('.') as [string, string?];
    const outer = value[name];
    if (inner === undefined ? check(outer) : outer === null || check((outer as Record<string, unknown>)[inner])) continue;
    return `it is no flow record: "${path}" is to be ${wanted}`;
  }
  return undefined;
}
