/** Plugins described, for `plugins list`. */
import { pathToFileURL } from 'node:url';
import type { CapturePlugin } from '../../core/index.ts';
import { builtInPlugins } from '../settings/installation.ts';
import type { PluginReference } from '../settings/plugin-list.ts';
import { importPlugins } from './loader.ts';
import type { PluginModules } from './modules.ts';
import type { PluginKind } from './plugin-file.ts';

export interface PluginDescription {
  readonly name: string;
  readonly kind: PluginKind;
  readonly description: string;
  readonly file: string;
  /** JSON Schema of the options; null where there are none. */
  readonly options: unknown;
}

export async function describeBuiltInPlugins(): Promise<PluginDescription[]> {
  return Promise.all(
    [...builtInPlugins()].map(async ([, file]) => {
      const { default: plugin } = (await import(pathToFileURL(file).href)) as { default: CapturePlugin };
      return describe(plugin, 'built-in', file);
    }),
  );
}

/** The plugins that a preset lists beside the built-in ones. */
export async function describeListedPlugins(references: readonly PluginReference[], modules: PluginModules, cwd: string): Promise<PluginDescription[]> {
  const loaded = await importPlugins(references, modules, cwd);
  return loaded.filter(({ kind }) => kind !== 'built-in').map(({ plugin, kind, file }) => describe(plugin, kind, file));
}

/** `mode, path`: the keys of the options. */
export function optionKeys(options: unknown): string {
  return Object.keys((options as { properties?: object } | null)?.properties ?? {}).join(', ');
}

function describe(plugin: CapturePlugin, kind: PluginKind, file: string): PluginDescription {
  return { name: plugin.name, kind, description: plugin.description ?? '', file, options: plugin.options ?? null };
}
