/** A settings file as a value whose every part knows its line and column. */
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document, type YAMLError } from 'yaml';
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import type { SourceText } from './source-file.ts';

/** Keys and indexes from the root to a part. */
export type Path = readonly (string | number)[];

export interface SourceDocument {
  /** As messages show it. */
  readonly file: string;
  /** Absolute. */
  readonly path: string;
  readonly value: unknown;
  /** The place of a value; of the nearest part around it where it is absent. */
  placeOf(path: Path): ErrorPlace;
  /** The place of the key under which a value stands. */
  placeOfKey(path: Path): ErrorPlace;
}

/** Strict JSON (RFC 8259), and each key once in its object. */
export function parseJson(source: SourceText): SourceDocument {
  let value: unknown;
  try {
    value = JSON.parse(source.text.replace(/^\uFEFF/, ' '));
  } catch (error) {
    const offset = jsonErrorOffset(source.text);
    const reason = (error as Error).message.replace(/ in JSON at position .*$/, '').replace(/, "[^]*$/, '').replace(/ JSON input$/, ' the text');
    throw new MentuError('settings_syntax', { language: 'JSON', reason }, { cause: error, place: { file: source.shown, ...lineAndColumn(source.text, offset) } });
  }
  // JSON is YAML, whose parser knows the places. What else it may object to in valid JSON is of no interest.
  const lines = new LineCounter();
  const document = parseDocument(source.text, { lineCounter: lines, prettyErrors: false });
  refuseDuplicates(source, document.errors, lines);
  return located(source, value, document, lines);
}

/** YAML 1.2, core schema, one document, each key once in its map. */
export function parseYaml(source: SourceText): SourceDocument {
  const lines = new LineCounter();
  const document = parseDocument(source.text, { lineCounter: lines, prettyErrors: false, version: '1.2', schema: 'core' });
  refuseDuplicates(source, document.errors, lines);
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault) throw syntaxError(source, fault.message, lines, fault.pos[0], fault);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw syntaxError(source, (error as Error).message, lines, 0, error);
  }
  return located(source, value, document, lines);
}

function located(source: SourceText, value: unknown, document: Document.Parsed, lines: LineCounter): SourceDocument {
  const place = (offset: number | undefined): ErrorPlace => {
    const { line, col } = lines.linePos(offset ?? 0);
    return { file: source.shown, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  return {
    file: source.shown,
    path: source.path,
    value,
    placeOf: (path) => place(locate(document, path).value),
    placeOfKey: (path) => {
      const { key, value } = locate(document, path);
      return place(key ?? value);
    },
  };
}

/** Offsets of a value and of its key, or of the innermost part around it that is there. */
function locate(document: Document.Parsed, path: Path): { key?: number; value?: number } {
  let node: unknown = document.contents;
  let key: number | undefined;
  let value = offsetOf(node);
  for (const step of path) {
    let next: unknown;
    let nextKey: number | undefined;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step));
      next = pair?.value ?? pair?.key;
      nextKey = offsetOf(pair?.key);
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
    }
    if (next === undefined || next === null) break;
    node = next;
    value = offsetOf(next) ?? value;
    key = nextKey;
  }
  return { ...(key === undefined ? {} : { key }), ...(value === undefined ? {} : { value }) };
}

function offsetOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null | undefined)?.range?.[0];
}

function refuseDuplicates(source: SourceText, errors: readonly YAMLError[], lines: LineCounter): void {
  const duplicate = errors.find((error) => error.code === 'DUPLICATE_KEY');
  if (!duplicate) return;
  const { line, col } = lines.linePos(duplicate.pos[0]);
  const key = /^(?:"([^"\n]*)"|'([^'\n]*)'|([^:\s]+))/.exec(source.text.slice(duplicate.pos[0]));
  throw new MentuError(
    'settings_duplicate_key',
    { key: key?.[1] ?? key?.[2] ?? key?.[3] ?? '' },
    { place: { file: source.shown, line, column: col } },
  );
}

function syntaxError(source: SourceText, reason: string, lines: LineCounter, offset: number, cause: unknown): MentuError {
  const { line, col } = lines.linePos(offset);
  const place = { file: source.shown, line: Math.max(line, 1), column: Math.max(col, 1) };
  return new MentuError('settings_syntax', { language: 'YAML', reason: reason.replace(/\.$/, '') }, { cause, place });
}

/**
 * Where a JSON text goes wrong. The engine does not always say, but it tells a text that merely ends
 * too soon from one that is wrong, and the shortest wrong beginning ends at the mistake.
 */
function jsonErrorOffset(text: string): number {
  const isWrong = (length: number): boolean => {
    try {
      JSON.parse(text.slice(0, length));
      return false;
    } catch (error) {
      const { message } = error as Error;
      return !message.includes('end of JSON input') && Number(/at position (\d+)/.exec(message)?.[1] ?? -1) !== length;
    }
  };
  let right = 0;
  let wrong = text.length + 1;
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1;
    if (isWrong(middle)) wrong = middle;
    else right = middle;
  }
  return Math.min(wrong - 1, text.length);
}

function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}
