/** The beginning of a plugin: its module, a test that passes, and a preset that loads it. */
import { existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MentuError } from '../../core/index.ts';
import { packageVersion } from '../program.ts';
import { builtInPlugins, coreModule } from '../settings/installation.ts';

export interface Scaffold {
  readonly folder: string;
  /** Relative to the folder. */
  readonly files: readonly string[];
}

/** Makes the folder `NAME` in `parent`. Refuses a name that is none, and a folder that is there. */
export function scaffoldPlugin(name: string, parent: string): Scaffold {
  if (!/^[a-z][a-z0-9-]*$/.test(name) || name === 'core') throw new MentuError('plugin_name_invalid', { name, reason: 'it is not lower-case letters, digits and dashes' });
  if (builtInPlugins().has(name)) throw new MentuError('plugin_name_invalid', { name, reason: 'a built-in plugin has it' });
  const folder = join(parent, name);
  if (lstatSync(folder, { throwIfNoEntry: false })) throw new MentuError('scaffold_exists', { folder });
  const texts: Record<string, string> = {
    'index.ts': moduleText(name),
    'index.test.ts': testText(name),
    'preset.yaml': presetText(name),
    'package.json': packageText(name),
    '.gitignore': 'node_modules/\n',
  };
  mkdirSync(folder, { recursive: true });
  if (!isInstalled(folder)) Object.assign(texts, linkTexts());
  for (const [file, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text, { flag: 'wx' });
  }
  return { folder, files: Object.keys(texts).filter((file) => !file.startsWith('node_modules/')) };
}

/** True where an import from the folder finds the package. Its own name, which a folder inside the package could use, is no installation. */
function isInstalled(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'node_modules', 'mentu-interceptor', 'package.json'))) return true;
    if (at === dirname(at)) return false;
  }
}

/**
 * Leads `mentu-interceptor` to this installation for the test, as `npm link` would. In a capture the
 * program sees to that itself.
 */
function linkTexts(): Record<string, string> {
  const folder = 'node_modules/mentu-interceptor';
  return {
    [`${folder}/package.json`]: json({ name: 'mentu-interceptor', version: packageVersion(), private: true, type: 'module', exports: { '.': { types: './index.d.ts', default: './index.js' } } }),
    [`${folder}/index.js`]: `export * from ${JSON.stringify(pathToFileURL(coreModule).href)};\n`,
    [`${folder}/index.d.ts`]: `export * from ${JSON.stringify(coreModule.replace(/\.ts$/, '.js'))};\n`,
  };
}

function moduleText(name: string): string {
  return `/** Denies requests to the hosts that its options name, and notes on every other flow which host it was for. */
import { defineCapturePlugin } from 'mentu-interceptor';

export default defineCapturePlugin({
  name: '${name}',
  description: 'Denies requests to chosen hosts and annotates the others.',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      deny: { type: 'array', items: { type: 'string' }, default: [], description: 'Hosts whose requests are denied.' },
    },
  },
  setup({ options, hooks, annotate }) {
    hooks.onRequest.tap('${name}', (flow) => {
      const host = flow.connection.destination.name ?? flow.connection.destination.address ?? '';
      if (options.deny.includes(host)) return { action: 'deny', rule: \`${name}: \${host}\`, host };
      annotate(flow, { host });
    });
  },
});
`;
}

function testText(name: string): string {
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PluginTrial } from 'mentu-interceptor';
import plugin from './index.ts';

test('denies a host that the options name', async () => {
  const trial = await PluginTrial.of(plugin, { deny: ['blocked.test'] });
  const { verdict, record } = await trial.exchange({ url: 'https://blocked.test/secret' });
  assert.equal(verdict?.action, 'deny');
  assert.equal(verdict?.by, '${name}');
  assert.equal(record.outcome, 'denied');
});

test('lets another host pass and annotates its flow', async () => {
  const trial = await PluginTrial.of(plugin, { deny: ['blocked.test'] });
  const { verdict, record } = await trial.exchange({ url: 'https://open.test/', answer: { status: 200 } });
  assert.equal(verdict, undefined);
  assert.deepEqual(record.annotations['${name}'], { host: 'open.test' });
});
`;
}

function presetText(name: string): string {
  return `# mentu-runtime exec --interceptor --preset ./${name}/preset.yaml -- COMMAND
description: The standard preset with the plugin ${name}.
extends: standard
plugins:
  - ./index.ts:
      deny:
        - blocked.test
`;
}

function packageText(name: string): string {
  return json({
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    main: './index.ts',
    scripts: { test: 'node --test' },
    peerDependencies: { 'mentu-interceptor': `^${packageVersion()}` },
  });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
