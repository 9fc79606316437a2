import { openCir } from '../../plugins/cir-sink/cir.ts';
import { defineCommand } from '../command.ts';
import { badFlag } from '../flags.ts';
import { safeJson, write } from '../output.ts';

export default defineCommand({
  description: 'Adds a signal and prints its id as JSON. A signal is never changed or deleted.',
  positionals: { usage: 'BODY', min: 1, max: 1 },
  flags: {
    type: { type: 'string', value: 'TYPE', aliases: ['kind'], description: 'what it is, such as build_note; required' },
    domain: { type: 'string', value: 'DOMAIN', description: 'the field that it belongs to' },
    confidence: { type: 'string', value: '0..1', description: 'how sure it is' },
    source: { type: 'string', value: 'SOURCE', description: 'who says it' },
    tag: { type: 'string', value: 'TAG', multiple: true, description: 'a tag' },
    data: { type: 'string', value: 'JSON', description: 'an object; its fields can be asked for by query --where, its "job" by --job' },
  },
  notes: `
Exit codes: 0 stored; 1 the store cannot be written; 2 a mistake in the arguments.`,
  async run({ flags, positionals }) {
    const { type, domain, source, tag } = flags;
    if (type === undefined) throw badFlag('--type', 'is missing', 'mentu cir capture');
    const cir = openCir();
    try {
      const { id } = await cir.capture(positionals[0]!, { type, domain, source, tags: tag, confidence: confidenceOf(flags.confidence), data: dataOf(flags.data) });
      await write(`${safeJson({ id })}\n`);
      return 0;
    } finally {
      await cir.close();
    }
  },
});

function confidenceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (!(number >= 0 && number <= 1)) throw badFlag('--confidence', `takes a number from 0 to 1, and "${text}" was given`);
  return number;
}

function dataOf(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badFlag('--data', `takes a JSON object, and this is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badFlag('--data', 'takes a JSON object, {"key": …}');
  return value as Record<string, unknown>;
}
