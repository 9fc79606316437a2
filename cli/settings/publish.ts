/** Writes the JSON Schemas of the settings files and of the flow record to `dist/schemas/`, from the very objects that validate them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { flowRecordSchema } from '../../core/index.ts';
import { configSchema } from './config-schema.ts';
import { packageRoot } from './installation.ts';
import { presetSchema } from './preset-schema.ts';
import { profileSchema } from './profile-schema.ts';
import { recipeSchema } from '../recipe/recipe-schema.ts';

export const publishedSchemas = { 'profile.json': profileSchema, 'preset.json': presetSchema, 'config.json': configSchema, 'recipe.json': recipeSchema, 'flow.json': flowRecordSchema } as const;

/** Returns the paths that were written. */
export function publishSchemas(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  return Object.entries(publishedSchemas).map(([name, schema]) => {
    const path = join(folder, name);
    writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`);
    return path;
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const path of publishSchemas(join(packageRoot, 'dist', 'schemas'))) process.stdout.write(`${path}\n`);
}
