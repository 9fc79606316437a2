/** The Debian packages that the benchmark compares with and measures by. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { delimiter, join } from 'node:path';

/** Command and package. */
const NEEDED = [
  ['nginx', 'nginx-light'],
  ['mitmdump', 'mitmproxy'],
  ['hey', 'hey'],
  ['curl', 'curl'],
  ['gtlsclient', 'ngtcp2-client'],
  ['caddy', 'caddy'],
] as const;
const SYSTEM = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Throws the line that installs what is missing. Daemons are often where a user's PATH does not lead. */
export function requirePackages(): void {
  const path = (process.env['PATH'] ?? '').split(delimiter);
  process.env['PATH'] = [...path, ...SYSTEM.filter((folder) => !path.includes(folder))].join(delimiter);
  const missing = NEEDED.filter(([command]) => !isInstalled(command)).map(([, name]) => name);
  if (missing.length > 0) throw new Error(`the benchmark needs ${missing.join(', ')}; install with: sudo apt-get install --no-install-recommends ${missing.join(' ')}`);
}

/** Package or library by name, with its version. */
export function versions(): Record<string, string> {
  const found: Record<string, string> = { node: process.versions.node };
  for (const [command, name] of NEEDED) found[command] = debianVersion(command, name);
  for (const name of ['mockttp']) found[name] = npmVersion(name);
  return found;
}

export function npmVersion(name: string): string {
  const file = findPackageJSON(name, import.meta.url);
  return file === undefined ? 'unknown' : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function debianVersion(command: string, name: string): string {
  try {
    const path = execFileSync('sh', ['-c', 'command -v "$1"', 'sh', command], { encoding: 'utf8' }).trim();
    const owner = execFileSync('dpkg-query', ['-S', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(':')[0]!;
    return execFileSync('dpkg-query', ['-W', '-f', '${Package} ${Version}', owner], { encoding: 'utf8' });
  } catch {
    return `${name}, version unknown`;
  }
}

function isInstalled(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
