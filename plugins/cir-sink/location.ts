import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Mentu's folder of the user: `$MENTU_HOME`, else `~/.mentu`. */
export function mentuHome(env: NodeJS.ProcessEnv = process.env): string {
  return env['MENTU_HOME'] ? resolve(env['MENTU_HOME']) : join(homedir(), '.mentu');
}

/** The embedded store of signals. */
export function storeFile(home = mentuHome()): string {
  return join(home, 'cir.db');
}
