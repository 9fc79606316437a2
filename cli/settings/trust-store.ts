/** The user's word that a `mentu.yaml` may do what it claims: `$MENTU_HOME/trusted.json`, by the path and the hash of it. */
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { reasonOf } from './source-file.ts';

interface TrustEntry {
  /** Of the file and of all that it reaches. */
  readonly digest: string;
  /** RFC 3339, UTC. */
  readonly trusted_at: string;
  /** Absolute paths of what was read. */
  readonly files: readonly string[];
}

interface TrustFile {
  readonly version: 1;
  readonly configs: Record<string, TrustEntry>;
}

export type TrustState = 'trusted' | 'changed' | 'unknown';

export class TrustStore {
  readonly #home: string;
  readonly #file: string;

  /** `home` is `$MENTU_HOME`. Nothing is made there before something is trusted. */
  constructor(home: string) {
    this.#home = home;
    this.#file = join(home, 'trusted.json');
  }

  /** `config` is the real path of the `mentu.yaml`. */
  stateOf(config: string, digest: string): TrustState {
    const { configs } = this.#read();
    const entry = Object.hasOwn(configs, config) ? configs[config] : undefined;
    return entry === undefined ? 'unknown' : entry.digest === digest ? 'trusted' : 'changed';
  }

  trust(config: string, digest: string, files: readonly string[]): void {
    const { configs } = this.#read();
    configs[config] = { digest, trusted_at: new Date().toISOString(), files };
    mkdirSync(this.#home, { recursive: true, mode: 0o700 });
    chmodSync(this.#home, 0o700);
    // Written whole or not at all, and never through a link that lies there.
    const draft = `${this.#file}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify({ version: 1, configs } satisfies TrustFile, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(draft, this.#file);
  }

  #read(): TrustFile {
    const unsafe = (reason: string, cause?: unknown) => new MentuError('trust_store_unsafe', { file: this.#file, reason }, { cause, place: { file: this.#file } });
    const stat = lstatSync(this.#file, { throwIfNoEntry: false });
    if (!stat) return { version: 1, configs: Object.create(null) as Record<string, TrustEntry> };
    if (!stat.isFile()) throw unsafe('it is not a regular file');
    if (process.getuid && stat.uid !== process.getuid()) throw unsafe('it belongs to another user');
    if ((stat.mode & 0o022) !== 0) throw unsafe('others may write it');
    try {
      const content = JSON.parse(readFileSync(this.#file, 'utf8')) as Partial<TrustFile>;
      if (content.version === 1 && typeof content.configs === 'object' && content.configs !== null) return { version: 1, configs: content.configs };
    } catch (error) {
      throw unsafe(reasonOf(error), error);
    }
    throw unsafe('it does not have the form of this version');
  }
}
