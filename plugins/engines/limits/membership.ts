/**
 * A guest's control groups, as its helper holds them: by descriptors, for the helper covers /sys. It moves the guest in
 * before the first instruction of its command, and removes the groups at the end, also where the host process was killed.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { removeGroups } from './removal.ts';

export class GroupMembership {
  readonly #groups: readonly { readonly name: string; readonly parent: number; readonly members: number }[];

  constructor(folders: readonly string[]) {
    this.#groups = folders.map((folder) => ({
      name: basename(folder),
      parent: openSync(dirname(folder), constants.O_RDONLY | constants.O_DIRECTORY),
      members: openSync(join(folder, 'cgroup.procs'), 'w'),
    }));
  }

  /** Moves a process in; what it starts is in as well. */
  add(pid: number): void {
    for (const { members } of this.#groups) writeSync(members, `${pid}`);
  }

  /** To be called when the guest has ended. */
  async close(): Promise<void> {
    for (const { members } of this.#groups) closeSync(members);
    await removeGroups(this.#groups.map(({ name, parent }) => `/proc/self/fd/${parent}/${name}`));
    for (const { parent } of this.#groups) closeSync(parent);
  }
}
