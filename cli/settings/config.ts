/** `mentu.yaml`, the defaults of the working directory. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { configSchema, type ConfigFile } from './config-schema.ts';
import { parseYaml, type SourceDocument } from './source-document.ts';
import type { SourceFiles } from './source-file.ts';
import { check } from './validation.ts';

export const CONFIG_NAME = 'mentu.yaml';

export interface LoadedConfig {
  readonly document: SourceDocument;
  readonly value: ConfigFile;
}

/** Null where the working directory has none. Folders above it are not looked at. */
export function loadConfig(files: SourceFiles): LoadedConfig | null {
  const path = join(files.cwd, CONFIG_NAME);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return null;
  if (stat.isSymbolicLink()) throw new MentuError('config_symlink', { file: CONFIG_NAME }, { place: { file: CONFIG_NAME } });
  const document = parseYaml(files.read(path, { what: 'config', shown: CONFIG_NAME, noFollow: true }));
  const value = (document.value ?? {}) as ConfigFile;
  check(document, configSchema, [], value);
  return { document, value };
}
