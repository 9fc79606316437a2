/** Where in a plugin's own source an error arose, from its stack. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { coreModule } from '../settings/installation.ts';

const FRAME = /(file:\/\/\/[^\s()]+?|(?<=[\s(])\/[^\s()]+?):(\d+)(?::(\d+))?(?=\)|\s|$)/gm;

/** `file:line:column` of the innermost frame that is neither Node's nor ours. */
export function sourcePlace(error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const ours = [`${dirname(coreModule)}/`, `${dirname(import.meta.dirname)}/`];
  for (const [, location, line, column] of stack.matchAll(FRAME)) {
    const file = location!.startsWith('file:') ? fileURLToPath(location!.replace(/\?.*$/, '')) : location!;
    if (ours.some((folder) => file.startsWith(folder))) continue;
    return [file, line, column].filter((part) => part !== undefined).join(':');
  }
  return undefined;
}
