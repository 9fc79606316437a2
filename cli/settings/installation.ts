/** Where this installation keeps what it ships: beside the sources in a checkout, beside `dist/` in the package. */
import { readdirSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `.ts` from the sources, `.js` from the compiled output. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

export const packageRoot = dirname(findPackageJSON(import.meta.url)!);
export const presetsFolder = join(packageRoot, 'presets');
export const pluginsFolder = fileURLToPath(new URL('../../plugins', import.meta.url));
/** The module that the bare specifier `mentu-interceptor` means. */
export const coreModule = fileURLToPath(new URL(`../../core/index${EXTENSION}`, import.meta.url));

/** Folders of `plugins/` that hold another kind of plugin than one for a capture. */
const OTHER_KINDS = new Set(['engines']);

/** The built-in capture plugins: name → absolute path of the module. */
export function builtInPlugins(): ReadonlyMap<string, string> {
  const plugins = new Map<string, string>();
  for (const entry of readdirSync(pluginsFolder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || OTHER_KINDS.has(entry.name)) continue;
    const index = `index${EXTENSION}`;
    if (readdirSync(join(pluginsFolder, entry.name)).includes(index)) plugins.set(entry.name, join(pluginsFolder, entry.name, index));
  }
  return plugins;
}

/** The built-in presets: name → absolute path of the file. */
export function builtInPresets(): ReadonlyMap<string, string> {
  const files = readdirSync(presetsFolder).filter((file) => file.endsWith('.yaml')).sort();
  return new Map(files.map((file) => [file.slice(0, -'.yaml'.length), join(presetsFolder, file)]));
}
