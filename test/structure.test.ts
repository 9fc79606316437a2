/** The rules of the house, held against every source file. CONTRIBUTING.md says them in words. */
import assert from 'node:assert/strict';
import { globSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const PUBLIC_FACE = 'core/index.ts';
/** Lines of a source file. The table of errors is one list, which no split would make clearer. */
const MAX_LINES = 250;
const LISTS = ['core/errors.ts'];

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const filesOf = (...folders: string[]): string[] => folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: ROOT })).sort();
const areaOf = (file: string): string => file.split('/')[0]!;
/** `plugins/<name>`, `plugins/engines`; of another area the area. */
const unitOf = (file: string): string => file.split('/').slice(0, file.startsWith('plugins/') ? 2 : 1).join('/');

interface Import {
  readonly from: string;
  /** A file from the root, or a package's specifier. */
  readonly to: string;
  readonly isFile: boolean;
}

/** Imports and re-exports stand before the first declaration; texts that merely look like imports come later. */
function importsOf(file: string): Import[] {
  const text = read(file);
  const declaration = /^(?:export default |(?:export )?(?:abstract |async )?(?:const|let|class|function|interface|type \w+(?:<.*>)? =))/m.exec(text);
  const head = text.slice(0, declaration?.index);
  const found = [...head.matchAll(/^(?:import|export)\b[^'`;]*?'([^']+)'/gm), ...text.matchAll(/\bimport\('([^']+)'\)/g)];
  return found.map(([, specifier]) => {
    const isFile = specifier!.startsWith('.');
    return { from: file, to: isFile ? posix.join(dirname(file), specifier!) : specifier!, isFile };
  });
}

const SOURCES = filesOf('core', 'plugins', 'cli');
const EVERYTHING = filesOf('core', 'plugins', 'cli', 'test', 'bench', 'docs');
const IMPORTS = EVERYTHING.flatMap(importsOf);
const FILE_IMPORTS = IMPORTS.filter(({ isFile }) => isFile);
const shown = (imports: readonly Import[]): string[] => imports.map(({ from, to }) => `${from} imports ${to}`);

test('the sources are found and their imports lead to files', () => {
  assert.ok(SOURCES.length > 150 && FILE_IMPORTS.length > 500, `${SOURCES.length} files, ${FILE_IMPORTS.length} imports`);
  const files = new Set(EVERYTHING);
  const known = FILE_IMPORTS.filter(({ to }) => files.has(to));
  assert.deepEqual(shown(FILE_IMPORTS.filter(({ to }) => !files.has(to))), []);
  assert.ok(known.some(({ from, to }) => from === 'cli/program.ts' && to === PUBLIC_FACE), 'a known import is seen');
});

test('imports go one way: cli → plugins → core', () => {
  const mayImport: Record<string, readonly string[]> = { core: ['core'], plugins: ['plugins', 'core'], cli: ['cli', 'plugins', 'core'] };
  const wrong = FILE_IMPORTS.filter(({ from, to }) => mayImport[areaOf(from)]?.includes(areaOf(to)) === false);
  assert.deepEqual(shown(wrong), []);
});

test('plugins see only the public face of the core, and no other plugin', () => {
  const ofPlugins = FILE_IMPORTS.filter(({ from }) => areaOf(from) === 'plugins');
  assert.deepEqual(shown(ofPlugins.filter(({ to }) => areaOf(to) === 'core' && to !== PUBLIC_FACE)), []);
  assert.deepEqual(shown(ofPlugins.filter(({ from, to }) => areaOf(to) === 'plugins' && unitOf(from) !== unitOf(to))), []);
});

test('no file imports itself by way of others', () => {
  const next = Map.groupBy(FILE_IMPORTS, ({ from }) => from);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `a cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
    if (done.has(file)) return;
    for (const { to } of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of EVERYTHING) visit(file, []);
});

test('the one barrel is the public face of the core', () => {
  const isBarrel = (file: string): boolean => {
    const statements = read(file).replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '').replace(/^(?:import|export)\b[^'`;]*?'[^']+'(?: with \{.*\})?;/gm, '');
    return statements.trim() === '';
  };
  assert.deepEqual(SOURCES.filter(isBarrel), [PUBLIC_FACE]);
});

test('files and folders are named for what they hold', () => {
  const vague = /^(?:utils?|helpers|common|misc|shared|lib|stuff|tools?-?utils?)$/;
  const named = EVERYTHING.filter((file) => file.split('/').some((part) => vague.test(basename(part, '.ts').replace(/\.test$/, ''))));
  assert.deepEqual(named, []);
});

test(`a source file has at most ${MAX_LINES} lines`, () => {
  const long = SOURCES.filter((file) => !LISTS.includes(file)).map((file) => `${file}: ${read(file).split('\n').length - 1}`).filter((line) => Number(line.split(': ')[1]) > MAX_LINES);
  assert.deepEqual(long, []);
});

test('no state lives at the level of a module', () => {
  assert.deepEqual(SOURCES.filter((file) => /^(?:export )?(?:let|var) /m.test(read(file))), []);
});

test('a dependency is imported by the file that wraps it, and by no other', () => {
  const wrappers: Record<string, readonly string[]> = {
    '@matrixai/quic': ['core/quic/transport.ts'],
    '@cfworker/json-schema': ['cli/settings/validation.ts'],
    // The probe runs by itself in a guest, out of reach of the wrapper.
    koffi: ['plugins/engines/libc.ts', 'plugins/engines/probe/probe.ts'],
    re2js: ['plugins/redact/token-shapes.ts'],
    tapable: ['core/hooks.ts'],
    'tar-stream': ['plugins/engines/rootfs/archive.ts'],
    tldts: ['plugins/dns-signals/parent-domain.ts'],
    // One reads, one writes.
    yaml: ['cli/settings/preset-text.ts', 'cli/settings/source-document.ts'],
  };
  const packageOf = (specifier: string): string => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  const used = IMPORTS.filter(({ from, to, isFile }) => !isFile && !to.startsWith('node:') && SOURCES.includes(from) && !from.startsWith('cli/demo/'));
  const users = Map.groupBy(used, ({ to }) => packageOf(to));
  const { dependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<'dependencies' | 'optionalDependencies', Record<string, string>>;
  assert.deepEqual([...users.keys()].sort(), Object.keys({ ...dependencies, ...optionalDependencies }).sort(), 'what is imported, and what package.json lists');
  // It has types alone, which schemas use where they stand.
  users.delete('json-schema-to-ts');
  assert.deepEqual(Object.fromEntries([...users].map(([name, imports]) => [name, [...new Set(imports.map(({ from }) => from))].sort()])), wrappers);
});

test('the top level is what CONTRIBUTING.md says', () => {
  const made = ['.git', '.cache', '.mentu', 'dist', 'node_modules'];
  const folders = ['.ci', 'bench', 'cli', 'core', 'docs', 'plugins', 'presets', 'test'];
  const files = ['.gitignore', '.npmrc', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'package-lock.json', 'package.json', 'tsconfig.build.json', 'tsconfig.json'];
  const found = readdirSync(ROOT).filter((name) => !made.includes(name) && !name.endsWith('.tgz'));
  assert.deepEqual(found.sort(), [...folders, ...files].sort());
});
