/** The system's tools that engines start, found once and named by absolute path. */
import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';

export const TOOL_NAMES = ['bwrap', 'unshare', 'nft', 'ip'] as const;
export type ToolName = (typeof TOOL_NAMES)[number];
export type Tools = Readonly<Record<ToolName, string>>;

/** A user's PATH often lacks the sbin folders, where Debian keeps `nft` and `ip`. */
const FALLBACKS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Absolute path of a tool, or null. Relative entries of PATH are not followed. */
export function findTool(name: string, path: string = process.env['PATH'] ?? ''): string | null {
  for (const folder of [...path.split(':').filter((entry) => isAbsolute(entry)), ...FALLBACKS]) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not there
    }
  }
  return null;
}

/** All tools, or the names of the missing ones. */
export function findTools(): { tools: Tools } | { missing: ToolName[] } {
  const found = TOOL_NAMES.map((name) => [name, findTool(name)] as const);
  const missing = found.filter(([, path]) => path === null).map(([name]) => name);
  return missing.length > 0 ? { missing } : { tools: Object.fromEntries(found) as Tools };
}
