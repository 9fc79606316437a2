/** Where the parts of a kernel are before it is prepared: its file, its modules, its configuration. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const SYSTEM_FOLDERS = ['/lib/modules', '/usr/lib/modules'];

/** Where the modules of a kernel may be: beside it (also as a package is unpacked), then the system's. */
export function moduleFolders(file: string, release: string): string[] {
  const folder = dirname(file);
  const beside = ['lib/modules', 'modules', '.', '../lib/modules', '../usr/lib/modules'].map((path) => join(folder, path));
  return [...new Set([...beside, ...SYSTEM_FOLDERS])].map((each) => join(each, release));
}

/** Null where none of the folders is there. */
export function modulesOf(file: string, release: string): string | null {
  return moduleFolders(file, release).find((folder) => statSync(folder, { throwIfNoEntry: false })?.isDirectory()) ?? null;
}

/** The kernel was built to refuse modules without a signature. */
export function demandsSignatures(file: string, modules: string): boolean {
  const configs = [join(dirname(file), `config-${basename(modules)}`), join(modules, 'config')];
  const config = configs.find((each) => existsSync(each));
  return config !== undefined && /^CONFIG_MODULE_SIG_FORCE=y$/m.test(readFileSync(config, 'latin1'));
}
