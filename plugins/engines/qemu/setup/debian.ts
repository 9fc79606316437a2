/** Debian's packages, by the system's own apt: installed as root, or fetched and unpacked by anybody. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './system-command.ts';

const APT_GET = '/usr/bin/apt-get';
const APT_CACHE = '/usr/bin/apt-cache';
const DPKG_DEB = '/usr/bin/dpkg-deb';
const QUICK_MS = 30_000;
const UPDATE_MS = 180_000;
const DOWNLOAD_MS = 600_000;
const INSTALL_MS = 600_000;
/** Another apt may hold the lock for a while. */
const LOCK_SECONDS = 120;

export interface UnpackedPackage {
  readonly name: string;
  readonly version: string;
  /** The file's address in the archive whose signature apt checked. */
  readonly address: string;
  readonly sha256: string;
  /** Holds what the package would install. */
  readonly folder: string;
}

/** One use of apt, with a folder of its own for what it fetches. */
export class Debian {
  readonly #folder: string;
  readonly #say: (sentence: string) => void;
  #lists: readonly string[] = [];
  #updated = false;

  /** `folder`: an empty one, which whoever made it removes. */
  constructor(folder: string, say: (sentence: string) => void) {
    this.#folder = folder;
    this.#say = say;
  }

  static isHere(): boolean {
    return [APT_GET, APT_CACHE, DPKG_DEB].every((file) => existsSync(file));
  }

  /** As root. */
  async install(packages: readonly string[]): Promise<void> {
    const install = (): Promise<string> =>
      runCommand(APT_GET, ['-q', '-y', '--no-install-recommends', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`, 'install', ...packages], { limitMs: INSTALL_MS });
    await this.#withFreshLists(install);
  }

  /** The newest kernel that a package without files of its own (`linux-image-cloud-amd64`) stands for. */
  async dependencyOf(metapackage: string, pattern: RegExp): Promise<string> {
    return this.#withFreshLists(async () => {
      const text = await runCommand(APT_CACHE, [...this.#lists, 'show', '--no-all-versions', metapackage], { limitMs: QUICK_MS });
      const depends = /^Depends: (.*)$/m.exec(text)?.[1]?.split(/[,|]/) ?? [];
      const found = depends.map((each) => each.trim().split(/[ :]/)[0]!).find((name) => pattern.test(name));
      if (found === undefined) throw new Error(`the package ${metapackage} names no ${pattern.source}`);
      return found;
    });
  }

  /** Fetches a package, which apt holds against the archive's signed lists, and unpacks it without installing anything. */
  async unpack(name: string): Promise<UnpackedPackage> {
    return this.#withFreshLists(async () => {
      const listed = await this.#apt(['download', '--print-uris', name], QUICK_MS);
      const [, address, file, , sha256] = /^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/m.exec(listed) ?? [];
      if (address === undefined || file === undefined || sha256 === undefined) throw new Error(`apt names no file with a SHA-256 for the package ${name}`);
      await this.#apt(['-o', 'APT::Get::AllowUnauthenticated=false', 'download', name], DOWNLOAD_MS);
      const path = join(this.#folder, file);
      const found = createHash('sha256').update(readFileSync(path)).digest('hex');
      if (found !== sha256) throw new Error(`${file} has the SHA-256 ${found} in place of ${sha256}`);
      const folder = join(this.#folder, name);
      mkdirSync(folder);
      await runCommand(DPKG_DEB, ['-x', path, folder], { limitMs: INSTALL_MS });
      const version = (await runCommand(DPKG_DEB, ['-f', path, 'Version'], { limitMs: QUICK_MS })).trim();
      return { name, version, address, sha256, folder };
    });
  }

  /** A second time with new lists of packages where it fails: they may be absent, or of an older state of the archive. */
  async #withFreshLists<Result>(act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      if (this.#updated) throw error;
      await this.#update();
      return await act();
    }
  }

  /** Without root, the lists are kept in our own folder. */
  async #update(): Promise<void> {
    this.#updated = true;
    if (process.getuid?.() !== 0) {
      const [lists, cache] = ['lists', 'cache'].map((name) => join(this.#folder, name)) as [string, string];
      for (const folder of [join(lists, 'partial'), join(cache, 'archives', 'partial')]) mkdirSync(folder, { recursive: true });
      this.#lists = ['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`];
    }
    await this.#apt(['-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`, 'update'], UPDATE_MS);
    this.#say('Fetched the lists of packages anew (apt-get update).');
  }

  #apt(args: readonly string[], limitMs: number): Promise<string> {
    return runCommand(APT_GET, ['-q', ...this.#lists, ...args], { limitMs, cwd: this.#folder });
  }
}
