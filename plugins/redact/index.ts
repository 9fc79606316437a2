/** Masks secrets in what sinks see: the record and the bodies stored with it. What is forwarded is not touched. */
import { contentCodings, defineCapturePlugin, Headers } from '../../core/index.ts';
import type { CompletedFlow, ContentCoding, HeaderPairs, RequestRecord, ResponseRecord, Side } from '../../core/index.ts';
import { maskBodyFile } from './body-file.ts';
import { dropBody, forgetHash, headerOf, maskRecord, stripRecord } from './record-mask.ts';
import { PartMask, type Dropped } from './part-mask.ts';
import { RedactRules } from './rules.ts';

const names = (description: string) => ({ type: 'array', items: { type: 'string', pattern: '[A-Za-z0-9]' }, default: [], description }) as const;

/** Messages that `annotations.redact.dropped` names at most. */
const MOST_DROPPED = 20;

export default defineCapturePlugin({
  name: 'redact',
  description: 'Masks credentials, cookies and secret-looking fields in the record and in stored bodies.',
  options: {
    type: 'object',
    properties: {
      headers: names('Headers to mask beside the known ones; `*` stands for any characters.'),
      fields: names('Query parameters and body fields to mask beside the known ones; `*` stands for any characters.'),
      patterns: { type: 'array', items: { type: 'string', minLength: 1 }, default: [], description: 'Expressions (RE2, ASCII) whose matches are masked everywhere.' },
      keep: names('Headers and fields that are not masked for their names.'),
    },
    additionalProperties: false,
  },
  async setup({ options, hooks, annotate, warn }) {
    const rules = await RedactRules.of(options);
    let warned = false;
    hooks.onFlowComplete.redact.tapPromise('redact', async (flow) => {
      try {
        const { dns } = flow.record;
        const report: Report = { masked: maskRecord(flow.record, rules), dropped: [] };
        const isSecret = flow.record.dns !== dns;
        for (const side of ['request', 'response'] as const) await (isSecret ? dropMessage(flow, side, report) : redactBody(flow, side, rules, report));
        const parts = new PartMask(flow, rules);
        await parts.mask();
        report.masked += parts.masked;
        report.dropped.push(...parts.dropped.slice(0, MOST_DROPPED));
        annotate(flow, report.dropped.length === 0 ? { masked: report.masked } : { ...report });
      } catch (error) {
        // Nothing that was not looked at may reach a sink.
        await new PartMask(flow, rules).purge().catch(() => {});
        stripRecord(flow.record);
        for (const side of ['request', 'response'] as const) await removeFile(flow, side);
        annotate(flow, { failed: 'the record was stripped' });
        if (!warned) warn(`a flow could not be redacted and is recorded without its headers and bodies: ${(error as Error).message}`);
        warned = true;
      }
    });
  },
});

interface Report {
  /** Secrets masked. */
  masked: number;
  /** Bodies of which nothing, or no file, is left, with the reason. */
  readonly dropped: ({ side: Side; reason: string } | Dropped)[];
}

/** What is left to do for a body when the record's text is masked. */
async function redactBody(flow: CompletedFlow, side: Side, rules: RedactRules, report: Report): Promise<void> {
  const message = flow.record[side];
  if (message === null) return;
  const contentType = headerOf(message.headers, 'content-type');
  if (isUnreadable(message)) {
    report.dropped.push({ side, reason: 'its content coding could not be undone' });
    dropBody(message);
    return removeFile(flow, side);
  }
  if (message.body_file === null) return;
  const before = message.body_file;
  const textMasked = message.body_sha256 === null;
  try {
    if (/charset\s*=\s*"?utf-?(?:16|32)/i.test(contentType ?? '')) throw new Error('its charset cannot be masked in a file');
    await flow.rewriteBodyFile(side, maskBodyFile(codingsOf(message), rules.body(contentType), (count) => (report.masked += textMasked ? 0 : count)));
    // The name of the file is the hash of what it held.
    if (textMasked && message.body_file === before) throw new Error('what was masked in its text was not found in its file');
    if (message.body_file !== before) forgetHash(message);
  } catch (error) {
    report.dropped.push({ side, reason: (error as Error).message });
    forgetHash(message);
    await removeFile(flow, side);
  }
}

/** Of a look-up whose names are masked: in a message of DNS they are not written as in the text that was searched. */
async function dropMessage(flow: CompletedFlow, side: Side, report: Report): Promise<void> {
  const message = flow.record[side];
  if (message === null || message.body_size === 0) return;
  report.dropped.push({ side, reason: 'it looks up a name that is masked' });
  dropBody(message);
  return removeFile(flow, side);
}

async function removeFile(flow: CompletedFlow, side: Side): Promise<void> {
  const message = flow.record[side];
  if (message === null || message.body_file === null) return;
  await flow
    .rewriteBodyFile(side, () => {
      throw new Error('not kept');
    })
    .catch(() => {});
  message.body_file = null;
}

/** True where a body is still encoded: what is in it cannot be seen here, but by anyone who decodes it. */
function isUnreadable(message: RequestRecord | ResponseRecord): boolean {
  if (message.body === null && message.body_file === null) return false;
  const type = headerOf(message.headers, 'content-type')?.trimStart().toLowerCase() ?? '';
  // Messages of gRPC are compressed by themselves, or sent as base64; the record lists them readable.
  if (type.startsWith('application/grpc-web-text')) return true;
  if (type.startsWith('application/grpc') && !['identity', ''].includes(headerOf(message.headers, 'grpc-encoding')?.trim().toLowerCase() ?? '')) return true;
  if (message.body_encoding !== 'base64') return false;
  const codings = values(message.headers, 'content-encoding').filter((name) => name !== 'identity' && name !== 'aws-chunked');
  return codings.length > message.body_decoded.length;
}

/** The codings of the file; where the line has nothing of the body, none were undone and the headers tell. */
function codingsOf(message: RequestRecord | ResponseRecord): readonly ContentCoding[] {
  return message.body === '' ? contentCodings(Headers.from(message.headers)) : (message.body_decoded as ContentCoding[]);
}

function values(headers: HeaderPairs, name: string): string[] {
  const lists = headers.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
  return lists.join(',').toLowerCase().split(',').map((value) => value.trim()).filter((value) => value !== '');
}
