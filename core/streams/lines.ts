/** Streams of JSON texts, a line each: how search engines and local models answer. */
import { EventsReading } from './events-reading.ts';
import type { StreamFormat } from './format.ts';
import { LineGrammar } from './line-grammar.ts';

const LINES: ReadonlySet<string> = new Set([
  'application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonl', 'application/jsonlines', 'application/x-jsonlines', 'application/stream+json',
]);
const SEQUENCE = /^application\/(?:[\w.+-]+\+)?json-seq$/;

export const lines: StreamFormat = {
  onResponse(flow, mediaType, reading) {
    const separatedBy = LINES.has(mediaType) ? 'line-end' : SEQUENCE.test(mediaType) ? 'record-separator' : null;
    if (separatedBy === null) return;
    new EventsReading('ndjson', flow, reading, (events) => new LineGrammar(separatedBy, { data: (bytes) => events.data(bytes), line: () => events.event('', null) }));
  },
};
