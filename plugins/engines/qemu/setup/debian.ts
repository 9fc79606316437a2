/** Debian's packages, by the system's own apt: installed as root, or fetched and unpacked by anybody. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DRAFT_PREFIX, makePrivateFolder } from '../kernel/kept-file.ts';
import { runCommand } from './system-command.ts';

const APT_GET = '/usr/bin/apt-get';
const APT_CACHE = '/usr/bin/apt-cache';
const DPKG_DEB = '/usr/bin/dpkg-deb';
const QUICK_MS = 30_000;
const UPDATE_MS = 180_000;
const DOWNLOAD_MS = 600_000;
const UNPACK_MS = 180_000;
const INSTALL_MS = 600_000;
/** Another apt may hold the lock for a while. */
const LOCK_SECONDS = 120;

export interface UnpackedPackage {
  readonly name: string;
  readonly version: string;
  /** Why it is trusted, as a sentence. */
  readonly trust: string;
  /** Holds what the package would install. */
  readonly folder: string;
}

export class Debian {
  readonly #folder: string;
  readonly #say: (sentence: string) => void;
  #lists: readonly string[] = [];
  #updated = false;

  private constructor(folder: string, say: (sentence: string) => void) {
    this.#folder = folder;
    this.#say = say;
  }

  static isHere(): boolean {
    return [APT_GET, APT_CACHE, DPKG_DEB].every((file) => existsSync(file));
  }

  /** By the lists of packages that are there. */
  static knows(name: string): Promise<boolean> {
    return runCommand(APT_CACHE, ['show', '--no-all-versions', name], { limitMs: QUICK_MS }).then((text) => text.trim() !== '', () => false);
  }

  /** Gives apt a folder below `home` for what it fetches, which is gone afterwards. */
  static async within<Result>(home: string, say: (sentence: string) => void, act: (debian: Debian) => Promise<Result>): Promise<Result> {
    makePrivateFolder(home);
    const folder = mkdtempSync(join(home, DRAFT_PREFIX));
    try {
      return await act(new Debian(folder, say));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** As root. */
  async install(packages: readonly string[]): Promise<void> {
    const options = ['-q', '-y', '--no-install-recommends', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`];
    await this.#withFreshLists(() => runCommand(APT_GET, [...options, 'install', ...packages], { limitMs: INSTALL_MS }));
  }

  /** Fetches a package, which apt holds against the archive's signed lists, and unpacks it without installing anything. */
  unpack(name: string): Promise<UnpackedPackage> {
    return this.#withFreshLists(() => this.#unpack(name));
  }

  /** The same with the package that another (`linux-image-cloud-amd64`) stands for today. */
  unpackDependency(metapackage: string, pattern: RegExp): Promise<UnpackedPackage> {
    return this.#withFreshLists(async () => {
      const text = await runCommand(APT_CACHE, [...this.#lists, 'show', '--no-all-versions', metapackage], { limitMs: QUICK_MS });
      const depends = /^Depends: (.*)$/m.exec(text)?.[1]?.split(/[,|]/) ?? [];
      const name = depends.map((each) => each.trim().split(/[ :]/)[0]!).find((each) => pattern.test(each));
      if (name === undefined) throw new Error(`the package ${metapackage} names none like ${pattern.source}`);
      return this.#unpack(name);
    });
  }

  async #unpack(name: string): Promise<UnpackedPackage> {
    const listed = await this.#apt(['download', '--print-uris', name], QUICK_MS);
    const [, address, file, sha256] = /^'([^']+)' ([^\s/]+) \d+ SHA256:([0-9a-f]{64})$/m.exec(listed) ?? [];
    if (address === undefined || file === undefined || sha256 === undefined) throw new Error(`apt names no file with a SHA-256 for the package ${name}`);
    await this.#apt(['-o', 'APT::Get::AllowUnauthenticated=false', 'download', name], DOWNLOAD_MS);
    const path = join(this.#folder, file);
    const found = createHash('sha256').update(readFileSync(path)).digest('hex');
    if (found !== sha256) throw new Error(`${file} has the SHA-256 ${found} in place of ${sha256}`);
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    await runCommand(DPKG_DEB, ['-x', path, folder], { limitMs: UNPACK_MS });
    const version = (await runCommand(DPKG_DEB, ['-f', path, 'Version'], { limitMs: QUICK_MS })).trim();
    const trust = `apt fetched ${address} and held it against the signed lists of that archive: its SHA-256 is ${sha256}. It was unpacked, not installed.`;
    return { name, version, trust, folder };
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
      const [lists, cache] = [join(this.#folder, 'lists'), join(this.#folder, 'cache')];
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
