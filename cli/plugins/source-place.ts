/** Where in a plugin's own source an error arose. */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { coreModule } from '../settings/installation.ts';

const FRAME = /(file:\/\/\/[^\s()]+?|(?<=^|[\s(])\/[^\s()]+?):(\d+)(?::(\d+))?(?=\)|\s|$)/gm;
const CHECK_TIMEOUT = 5000;

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

/** `file:line` of an error of syntax. An import does not tell it to its caller; a check of the file alone prints it. */
export function syntaxPlace(file: string, error: unknown): string | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: CHECK_TIMEOUT });
  const [first = ''] = (stderr ?? '').split('\n');
  return first.startsWith('file:') || first.startsWith('/') ? first.replace(/^file:\/\//, '').trim() : undefined;
}
