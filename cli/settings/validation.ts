/** Checks a settings document against a JSON Schema and says the one thing that helps most. */
import { Validator, type OutputUnit, type Schema } from '@cfworker/json-schema';
import { MentuError } from '../../core/index.ts';
import { nearest } from '../nearest.ts';
import type { Path, SourceDocument } from './source-document.ts';

type SchemaNode = Readonly<Record<string, unknown>>;

/** Keywords whose unit only says that a part below has errors of its own. */
const PARENTS = new Set(['properties', 'patternProperties', 'additionalProperties', 'unevaluatedProperties', 'propertyNames', 'items', 'prefixItems', '$ref', 'allOf', 'if', 'dependentSchemas']);
const BRANCHES = new Set(['anyOf', 'oneOf']);

/**
 * Throws a `MentuError` with file, line and column where the part of the document at `path` does not
 * fit. `value` is that part as it is to be checked, the document's own where it is not given.
 */
export function check(document: SourceDocument, schema: object, path: Path = [], value: unknown = document.value): void {
  // The validator marks the schema that it is given.
  const root = structuredClone(schema) as SchemaNode;
  const { valid, errors } = new Validator(root as Schema, '2020-12', false).validate(value);
  if (valid) return;
  const leaves = mostTelling(errors).map((unit) => ({ unit, path: [...path, ...pathOf(unit.instanceLocation)] }));
  const place = (leaf: { unit: OutputUnit; path: Path }) =>
    leaf.unit.keyword === 'false' ? document.placeOfKey(leaf.path) : document.placeOf(leaf.path);
  // A mistyped key often leaves its right name missing: the typo is what to tell.
  const inOrder = leaves
    .map((leaf) => ({ ...leaf, at: place(leaf) }))
    .sort((a, b) => Number(b.unit.keyword === 'false') - Number(a.unit.keyword === 'false') || (a.at.line ?? 0) - (b.at.line ?? 0) || (a.at.column ?? 0) - (b.at.column ?? 0));
  const worst = inOrder[0]!;
  const parents = errors.filter((unit) => unit.keyword === 'additionalProperties' || unit.keyword === 'unevaluatedProperties');
  throw complaint(root, worst.unit, worst.path, valueAt(value, pathOf(worst.unit.instanceLocation)), parents, worst.at);
}

function complaint(root: SchemaNode, unit: OutputUnit, path: Path, actual: unknown, parents: OutputUnit[], place: object): MentuError {
  if (unit.keyword === 'false') {
    const key = String(path.at(-1));
    const above = parents.find((parent) => unit.instanceLocation.startsWith(`${parent.instanceLocation}/`) && pathOf(parent.instanceLocation).length === pathOf(unit.instanceLocation).length - 1);
    const holder = above ? schemaAt(root, above.keywordLocation.replace(/\/[^/]*$/, '')) : undefined;
    const known = Object.keys((holder?.['properties'] as object | undefined) ?? {}).filter((name) => name !== '$schema');
    const near = nearest(key, known) ?? elsewhere(root, key);
    return new MentuError(
      'settings_unknown_key',
      {
        key,
        where: path.length > 1 ? ` in ${dotted(path.slice(0, -1))}` : '',
        near: near === undefined ? '.' : `, did you mean \`${near}\`?`,
        known: known.length === 0 ? 'There is none here.' : `Known here: ${known.join(', ')}.`,
      },
      { place },
    );
  }
  if (unit.keyword === 'required') {
    const key = /"([^]*)"\.$/.exec(unit.error)?.[1] ?? '';
    return new MentuError('settings_missing_key', { key, where: path.length === 0 ? 'The file' : dotted(path) }, { place });
  }
  const schema = schemaAt(root, unit.keywordLocation.replace(/\/[^/]*$/, ''));
  return new MentuError(
    'settings_wrong_value',
    { where: path.length === 0 ? 'The content' : dotted(path), expected: expectation(unit, schema), actual: shown(actual), hint: hint(schema, actual) },
    { place },
  );
}

/** Leaves of the error tree; of alternatives, the ones that the value's type chose. */
function mostTelling(errors: readonly OutputUnit[]): OutputUnit[] {
  let leaves = errors.filter((unit) => !PARENTS.has(unit.keyword));
  for (const fork of leaves.filter((unit) => BRANCHES.has(unit.keyword)).reverse()) {
    const inside = leaves.filter((unit) => unit.keywordLocation.startsWith(`${fork.keywordLocation}/`) || (unit.keyword === 'false' && unit.instanceLocation.startsWith(`${fork.instanceLocation}/`)));
    const unfit = new Set(
      inside
        .filter((unit) => unit.instanceLocation === fork.instanceLocation && ['type', 'const', 'enum'].includes(unit.keyword))
        .map((unit) => unit.keywordLocation.slice(fork.keywordLocation.length + 1).split('/')[0]),
    );
    const chosen = inside.filter((unit) => !unfit.has(unit.keywordLocation.slice(fork.keywordLocation.length + 1).split('/')[0]));
    leaves = leaves.filter((unit) => (chosen.length > 0 ? unit !== fork && (!inside.includes(unit) || chosen.includes(unit)) : !inside.includes(unit)));
  }
  return leaves;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

function expectation(unit: OutputUnit, schema: SchemaNode | undefined): string {
  const of = (key: string) => schema?.[key];
  switch (unit.keyword) {
    case 'type':
      return [of('type')].flat().map((type) => TYPES[String(type)] ?? String(type)).join(' or ');
    case 'enum':
      return (of('enum') as unknown[]).map(shown).join(' or ');
    case 'const':
      return shown(of('const'));
    case 'anyOf':
    case 'oneOf':
      return (of(unit.keyword) as SchemaNode[]).map((branch) => (branch['type'] === undefined ? 'another form' : expectation({ ...unit, keyword: 'type' }, branch))).join(' or ');
    case 'minimum':
      return `at least ${of('minimum')}`;
    case 'maximum':
      return `at most ${of('maximum')}`;
    case 'minLength':
      return of('minLength') === 1 ? 'a string that is not empty' : `at least ${of('minLength')} characters long`;
    case 'maxLength':
      return `at most ${of('maxLength')} characters long`;
    case 'minItems':
      return `a list of at least ${of('minItems')}`;
    case 'maxItems':
      return `a list of at most ${of('maxItems')}`;
    case 'minProperties':
    case 'maxProperties':
      return of('minProperties') === of('maxProperties') ? `an object of exactly ${of('minProperties')} key` : `an object of another number of keys`;
    case 'uniqueItems':
      return 'a list without duplicates';
    case 'pattern':
      return `of the form ${of('pattern')}`;
    default:
      return `otherwise (${unit.error.replace(/\.$/, '')})`;
  }
}

function hint(schema: SchemaNode | undefined, actual: unknown): string {
  const options = schema?.['enum'];
  const near = Array.isArray(options) && typeof actual === 'string' ? nearest(actual, options.map(String)) : undefined;
  if (near !== undefined) return `Did you mean "${near}"?`;
  const description = schema?.['description'];
  return typeof description === 'string' ? description : 'Give a value of that kind.';
}

/** The dotted path to a key that stands elsewhere in the schema, for one put at the wrong depth. */
function elsewhere(schema: SchemaNode, key: string, path: readonly string[] = []): string | undefined {
  const properties = (schema['properties'] ?? {}) as Record<string, SchemaNode>;
  for (const [name, below] of Object.entries(properties)) {
    if (name === key && path.length > 0) return [...path, name].join('.');
    const found = elsewhere(below, key, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Follows a keyword location, through `$ref`, to the schema it names. */
function schemaAt(root: SchemaNode, location: string): SchemaNode | undefined {
  let node: unknown = root;
  for (const step of pathOf(location)) {
    if (typeof node !== 'object' || node === null) return undefined;
    if (step === '$ref') {
      const target = String((node as SchemaNode)['$ref']);
      node = target.startsWith('#') ? schemaAt(root, target) : undefined;
    } else node = (node as SchemaNode)[step];
  }
  return node as SchemaNode | undefined;
}

function pathOf(pointer: string): string[] {
  return pointer.split('/').slice(1).map((step) => decode(step).replaceAll('~1', '/').replaceAll('~0', '~'));
}

function decode(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let part = value;
  for (const step of path) part = (part as Record<string, unknown> | undefined)?.[step];
  return part;
}

/** `mounts[0].readOnly`. */
export function dotted(path: Path): string {
  return path.map((step, index) => (/^\d+$/.test(String(step)) ? `[${step}]` : /^[\w$-]+$/.test(String(step)) ? `${index === 0 ? '' : '.'}${step}` : `[${JSON.stringify(step)}]`)).join('');
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
