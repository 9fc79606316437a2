/** Roots for guests, made of Debian's packages once for this checkout. Tests do not change them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { testPackages } from './kernel.ts';

const CACHE = join(import.meta.dirname, '../../.cache/roots');
const LIMIT_MS = 300_000;

const run = (file: string, args: readonly string[], cwd = '/'): string => execFileSync(file, args, { cwd, encoding: 'utf8', timeout: LIMIT_MS, stdio: ['ignore', 'pipe', 'pipe'] });

/** The unpacked packages of Debian that curl, wget and a shell need, and none of what their installation would do. */
export async function debianRoot(): Promise<string> {
  return rootOf('debian', ['curl', 'wget', 'openssl', 'ca-certificates']);
}

/** The same with other packages, and what they depend on. */
export async function rootOf(name: string, extra: readonly string[]): Promise<string> {
  return made(name, (root) => {
    const packages = ['bash', 'dash', 'coreutils', 'grep', 'sed', 'base-files', ...extra];
    const draft = dirname(root);
    writeFileSync(join(draft, 'status'), ''); // as if nothing were installed
    const simulate = ['-s', '-o', `Dir::State::status=${join(draft, 'status')}`, '--no-install-recommends', 'install', ...packages];
    const names = Array.from(withLists(() => run('apt-get', simulate)).matchAll(/^Inst (\S+)/gm), ([, name]) => name!);
    mkdirSync(join(draft, 'packages'));
    withLists(() => run('apt-get', ['-q', 'download', ...names], join(draft, 'packages')));
    for (const file of readdirSync(join(draft, 'packages'))) run('dpkg-deb', ['-x', join(draft, 'packages', file), root]);
  });
}

/** Alpine's layout around a static busybox: every program a link to it by its absolute path, /etc/ssl/cert.pem a link to the bundle. */
export async function alpineRoot(): Promise<string> {
  const { busybox } = await testPackages();
  return made('alpine', (root) => {
    const at = (...names: string[]): string => join(root, ...names);
    for (const name of ['bin', 'dev', 'etc/ssl/certs', 'home', 'lib', 'media', 'mnt', 'opt', 'proc', 'root', 'run', 'sbin', 'srv', 'sys', 'tmp', 'usr/bin', 'usr/local/bin', 'usr/sbin', 'var/log']) mkdirSync(at(name), { recursive: true });
    chmodSync(at('tmp'), 0o1777);
    chmodSync(at('root'), 0o700);
    copyFileSync(busybox, at('bin/busybox'));
    for (const name of run(busybox, ['--list']).trim().split('\n')) if (name !== 'busybox') symlinkSync('/bin/busybox', at('bin', name));
    symlinkSync('/bin/busybox', at('usr/bin/env'));
    symlinkSync('../run', at('var/run'));
    symlinkSync('certs/ca-certificates.crt', at('etc/ssl/cert.pem'));
    copyFileSync('/etc/ssl/certs/ca-certificates.crt', at('etc/ssl/certs/ca-certificates.crt'));
    writeFileSync(at('etc/alpine-release'), '3.20.0\n');
    writeFileSync(at('etc/os-release'), 'NAME="Alpine Linux"\nID=alpine\n');
    writeFileSync(at('etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n');
    writeFileSync(at('etc/group'), 'root:x:0:root\n');
  });
}

/** Test files run in processes of their own, several at once: the first to be done is the one that is kept. */
function made(name: string, fill: (root: string) => void): string {
  const path = join(CACHE, name);
  if (existsSync(path)) return path;
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(join(CACHE, `draft-${name}-`));
  try {
    mkdirSync(join(draft, 'root'));
    fill(join(draft, 'root'));
    renameSync(join(draft, 'root'), path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return path;
}

/** A second time with new lists of packages: they may be absent, or of an older state of the archive. */
function withLists<Result>(act: () => Result): Result {
  try {
    return act();
  } catch {
    run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', 'update']);
    return act();
  }
}
