/** What tshark, a reader that is not ours, makes of a capture file. */
import { execFileSync } from 'node:child_process';

/** One row for each packet that `filter` takes; a field that has several values has them in one text, with commas. */
export function tshark(file: string, filter: string, fields: readonly string[], options: readonly string[] = []): string[][] {
  const args = ['-r', file, ...options, '-Y', filter, '-T', 'fields', ...fields.flatMap((name) => ['-e', name])];
  // A configuration of the user's could name another key log.
  const env = { ...process.env, HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' };
  const text = execFileSync('tshark', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000, maxBuffer: 256 * 1024 * 1024 });
  return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

/** What capinfos tells of a file, by its own names. */
export function capinfos(file: string): Record<string, string> {
  const text = execFileSync('capinfos', ['-M', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 });
  return Object.fromEntries(text.split('\n').flatMap((line) => Array.from(line.matchAll(/^(.+?): +(.*)$/g), ([, name, value]) => [name!.trim(), value!])));
}
