/** Loads the plugins that a preset lists: finds and imports them, checks their options, and lets them tap the hooks. */
import { setTimeout as delay } from 'node:timers/promises';
import { MentuError, STEP_ANNOTATION, pluginContext, type CapturePlugin, type PluginHost } from '../../core/index.ts';
import { builtInPlugins } from '../settings/installation.ts';
import { at, isShipped, type PluginReference } from '../settings/plugin-list.ts';
import { check } from '../settings/validation.ts';
import type { PluginModules } from './modules.ts';
import { closedSchema, withDefaults } from './option-schema.ts';
import { findPlugin, type PluginFile } from './plugin-file.ts';
import { sourcePlace, syntaxPlace } from './source-place.ts';

/** A plugin's import and its setup may each take this long, in milliseconds. */
const PATIENCE = 30_000;

export interface LoadedPlugin extends PluginFile {
  readonly name: string;
  readonly plugin: CapturePlugin;
  /** Checked, with the defaults of the plugin's schema. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly reference: PluginReference;
}

/**
 * Imports the plugins and checks their options. Nothing has tapped a hook yet. Errors name the place of the listing.
 * One list is looked up and imported once: what has changed on the disk since, a guest may have changed.
 */
export function importPlugins(references: readonly PluginReference[], modules: PluginModules, cwd: string): Promise<LoadedPlugin[]> {
  return modules.once(references, () => importListed(references, modules, cwd));
}

async function importListed(references: readonly PluginReference[], modules: PluginModules, cwd: string): Promise<LoadedPlugin[]> {
  const files = references.map((reference) => findPlugin(reference, modules, cwd));
  const imports = await Promise.allSettled(references.map((reference, index) => importPlugin(reference, files[index]!)));
  const loaded = imports.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  const byName = new Map<string, PluginReference>();
  for (const { name, reference } of loaded) {
    const first = byName.get(name);
    if (first) throw new MentuError('plugin_duplicate', { plugin: name, first: `${first.key} (${at(first.place)})`, second: `${reference.key} (${at(reference.place)})` }, { place: reference.place });
    byName.set(name, reference);
  }
  return loaded;
}

/** Runs each plugin's `setup`, in the order of the list, so that their taps run in that order too. */
export async function setUpPlugins(plugins: readonly LoadedPlugin[], host: PluginHost): Promise<void> {
  for (const { plugin, name, options, reference } of plugins) {
    const { place } = reference;
    try {
      await within(Promise.resolve(plugin.setup(pluginContext(name, options, host) as never)), 'it did not come to an end');
    } catch (error) {
      const source = sourcePlace(error);
      if (error instanceof MentuError && error.code === 'unknown_hook') {
        throw new MentuError('unknown_hook', { ...error.params, plugin: source === undefined ? name : `${name} (${source})` }, { cause: error, place });
      }
      // A built-in plugin speaks with an error of the table, which says all but where the user listed it.
      if (error instanceof MentuError) throw error.place || isShipped(reference) ? error : new MentuError(error.code, error.params, { cause: error, place });
      throw new MentuError('plugin_setup_failed', { plugin: name, reason: reasonWith(error, source) }, { cause: error, place });
    }
  }
}

async function importPlugin(reference: PluginReference, file: PluginFile): Promise<LoadedPlugin> {
  const { place } = reference;
  let module: { default?: unknown };
  try {
    module = await within(import(file.url) as Promise<{ default?: unknown }>, 'its import did not come to an end');
  } catch (error) {
    if (error instanceof MentuError) throw new MentuError(error.code, error.params, { cause: error, place });
    const source = sourcePlace(error) ?? syntaxPlace(file.file, error);
    throw new MentuError('plugin_import_failed', { plugin: reference.key, reason: reasonWith(error, source), file: source ?? file.file }, { cause: error, place });
  }
  const invalid = (reason: string) => new MentuError('plugin_invalid', { file: file.file, reason }, { place });
  const plugin = module.default as Partial<CapturePlugin> | undefined;
  if (typeof plugin !== 'object' || plugin === null) throw invalid('it has no default export that is an object');
  const { name, options: schema, setup } = plugin;
  if (typeof name !== 'string' || !/^[a-z][a-z0-9-]*$/.test(name)) throw invalid(`its name must be lower-case letters, digits and dashes, not ${JSON.stringify(name) ?? 'absent'}`);
  if (typeof setup !== 'function') throw invalid('it has no function `setup`');
  if (schema !== undefined && (typeof schema !== 'object' || schema === null)) throw invalid('its `options` is no JSON Schema');
  if (file.kind === 'built-in' ? name !== reference.key : name === 'core' || name === STEP_ANNOTATION || builtInPlugins().has(name)) {
    throw invalid(file.kind === 'built-in' ? `it names itself \`${name}\`` : `the name \`${name}\` is taken by what is built in`);
  }
  const options = withDefaults(schema, reference.options);
  check(reference.document, closedSchema(schema), reference.optionsPath, options);
  return { ...file, name, plugin: plugin as CapturePlugin, options, reference };
}

async function within<Value>(work: Promise<Value>, complaint: string): Promise<Value> {
  const end = new AbortController();
  const late = delay(PATIENCE, undefined, { signal: end.signal }).then(() => {
    throw new Error(`${complaint} within ${PATIENCE / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    end.abort();
  }
}

function reasonWith(error: unknown, source: string | undefined): string {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim().replace(/\.$/, '');
  return source === undefined ? message : `${message} (${source})`;
}
