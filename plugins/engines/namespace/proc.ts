/**
 * What a guest's /proc does not show. Much of it is the whole kernel's, and its files judge by the user's number alone:
 * a guest of root's, without a single capability, could write the host's core pattern.
 */
import { readdirSync, statSync } from 'node:fs';
import type { BytePath } from '../root/plan.ts';
import type { Stage } from '../root/stage.ts';

/** Files that speak of the host or of the kernel's memory, and not of the guest. */
const EMPTIED: ReadonlySet<string> = new Set([
  'cmdline', 'config.gz', 'diskstats', 'iomem', 'ioports', 'kallsyms', 'kcore', 'key-users', 'keys', 'kmsg', 'kpagecgroup',
  'kpagecount', 'kpageflags', 'latency_stats', 'modules', 'mtrr', 'pagetypeinfo', 'partitions', 'sched_debug', 'slabinfo',
  'swaps', 'sysrq-trigger', 'timer_list', 'vmallocinfo', 'vmcore',
]);

/**
 * Bubblewrap's options, for after `--proc /proc`: folders that are not a process's are read-only, files that could be
 * written or are named above are empty, and pid 1 is out of sight. It is bubblewrap's init, which runs without the
 * system call filter, so that its memory must be out of reach.
 */
export function coveredProc(stage: Stage): BytePath[] {
  const options = ['--ro-bind', stage.emptyFolder, '/proc/1'];
  for (const entry of readdirSync('/proc', { withFileTypes: true })) {
    const path = `/proc/${entry.name}`;
    if (/^\d+$/.test(entry.name) || entry.isSymbolicLink()) continue;
    if (entry.isDirectory()) options.push('--ro-bind', path, path);
    else if (EMPTIED.has(entry.name) || (statSync(path).mode & 0o222) !== 0) options.push('--ro-bind', stage.emptyFile, path);
  }
  return options;
}
