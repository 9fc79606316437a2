import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Validator } from '@cfworker/json-schema';
import { BYTE_SIZE_FORM, parseByteSize } from '../../../cli/settings/byte-size.ts';
import { publishedSchemas, publishSchemas } from '../../../cli/settings/publish.ts';
import { Workspace } from './workspace.ts';

type Node = { type?: unknown; description?: string; properties?: Record<string, Node>; items?: Node; additionalProperties?: Node | boolean };

test('the published schemas are the ones that validate, and those of the settings explain every key', (t) => {
  const workspace = new Workspace(t);
  const files = publishSchemas(workspace.path('schemas'));
  assert.deepEqual(files.map((file) => file.split('/').at(-1)), ['profile.json', 'preset.json', 'config.json', 'recipe.json', 'flow.json']);
  for (const [name, source] of Object.entries(publishedSchemas)) {
    const schema = JSON.parse(readFileSync(workspace.path(`schemas/${name}`), 'utf8')) as Node & { $schema: string; title: string };
    assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema', name);
    assert.ok(schema.title, name);
    assert.deepEqual(schema, JSON.parse(JSON.stringify(source)));
    if (name === 'flow.json') continue;
    for (const [key, node] of Object.entries(schema.properties ?? {})) explain(node, `${name}: ${key}`);
  }
});

function explain(node: Node, where: string): void {
  assert.ok(node.description, `${where} has no description`);
  for (const [key, below] of Object.entries(node.properties ?? {})) explain(below, `${where}.${key}`);
  for (const [key, below] of Object.entries(node.items?.properties ?? {})) explain(below, `${where}[].${key}`);
}

test('the published profile schema accepts and refuses by itself', (t) => {
  const workspace = new Workspace(t);
  publishSchemas(workspace.folder);
  const validator = new Validator(JSON.parse(readFileSync(workspace.path('profile.json'), 'utf8')), '2020-12');
  assert.ok(validator.validate({ sandbox: { allowedDomains: ['a.test'] } }).valid);
  assert.ok(!validator.validate({ sandbox: { allowedDomain: ['a.test'] } }).valid);
});

test('sizes are read in every unit, and nothing else is', () => {
  const sizes: [number | string, number | undefined][] = [
    [0, 0], [65_536, 65_536], ['0', 0], ['17', 17], ['64KiB', 65_536], ['1 MiB', 1_048_576], ['1.5GB', 1_500_000_000], ['2TiB', 2 * 1024 ** 4], ['10 B', 10],
    ['', undefined], ['MiB', undefined], ['-1', undefined], ['1mib', undefined], ['1e3', undefined], ['1 MiB x', undefined], ['99999999TiB', undefined], [1.5, undefined], [-1, undefined], ['0x10', undefined],
  ];
  for (const [text, bytes] of sizes) assert.equal(parseByteSize(text), bytes, `${text} as ${BYTE_SIZE_FORM}`);
});
