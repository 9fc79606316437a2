/**
 * A bounded walk through a share: what in it has to be masked, and which Unix sockets and FIFOs it holds. Symbolic
 * links are never followed. A folder that cannot be read is masked whole, for what is in it is unknown.
 */
import { readdirSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { MentuError } from '../../../core/index.ts';
import { bytes, named } from './paths.ts';
import type { BytePath, Cover } from './plan.ts';

export interface WalkLimits {
  readonly entries: number;
  readonly covers: number;
}

/** A million entries take some two seconds; every cover is a mount of its own. */
export const WALK_LIMITS: WalkLimits = { entries: 1_000_000, covers: 4096 };

/** Folders read before other work of the process has its turn. */
const FOLDERS_PER_TURN = 64;

export interface ShareContent {
  readonly masks: Cover[];
  readonly sockets: BytePath[];
  /** Symbolic links that bear a masked name, relative to the share. */
  readonly maskedLinks: BytePath[];
}

export async function walkShare(source: string, maskedNames: readonly string[], limits: WalkLimits = WALK_LIMITS): Promise<ShareContent> {
  const content: ShareContent = { masks: [], sockets: [], maskedLinks: [] };
  const masked = new Set(maskedNames.map(bytes));
  const root = bytes(source);
  const pending: BytePath[] = [''];
  let entries = 0;
  for (let folders = 1; pending.length > 0; folders++) {
    const folder = pending.pop()!;
    const found = list(root, folder);
    if (found === null) {
      content.masks.push({ path: folder, directory: true });
      continue;
    }
    entries += found.length;
    for (const entry of found) sort(entry, folder === '' ? entry.name : `${folder}/${entry.name}`, masked, content, pending);
    if (entries > limits.entries) throw new MentuError('engine_share_too_large', { source, limit: limits.entries });
    if (content.masks.length + content.sockets.length > limits.covers) throw new MentuError('engine_share_too_many_covers', { source, limit: limits.covers });
    if (folders % FOLDERS_PER_TURN === 0) await turn();
  }
  return content;
}

function list(root: BytePath, folder: BytePath): Dirent<string>[] | null {
  try {
    return readdirSync(named(`${root}/${folder}`), { withFileTypes: true, encoding: 'latin1' }) as Dirent<string>[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // gone meanwhile
    return folder === '' ? raise(error) : null;
  }
}

function raise(error: unknown): never {
  throw error;
}

function sort(entry: Dirent<string>, path: BytePath, masked: ReadonlySet<BytePath>, content: ShareContent, pending: BytePath[]): void {
  if (masked.has(entry.name)) {
    if (entry.isSymbolicLink()) content.maskedLinks.push(path);
    else content.masks.push({ path, directory: entry.isDirectory() });
  } else if (entry.isDirectory()) pending.push(path);
  else if (entry.isSocket() || entry.isFIFO()) content.sockets.push(path);
}
