/** The engine that the user made the default: `$MENTU_HOME/engine.json`. */
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { reasonOf } from './source-file.ts';

interface ChoiceFile {
  readonly version: 1;
  readonly engine: string;
}

export class EngineChoice {
  readonly #home: string;
  readonly #file: string;

  /** `home` is `$MENTU_HOME`. */
  constructor(home: string) {
    this.#home = home;
    this.#file = join(home, 'engine.json');
  }

  /** Null where nothing was chosen. Throws `engine_choice_unusable` where the file cannot be read or be trusted, for then the boundary would be another than the one that was chosen. */
  read(): string | null {
    const unusable = (reason: string, cause?: unknown) => new MentuError('engine_choice_unusable', { file: this.#file, reason }, { cause });
    const stat = lstatSync(this.#file, { throwIfNoEntry: false });
    if (!stat) return null;
    if (!stat.isFile()) throw unusable('it is not a regular file');
    if (process.getuid && stat.uid !== process.getuid()) throw unusable('it belongs to another user');
    if ((stat.mode & 0o022) !== 0) throw unusable('others may write it');
    try {
      const { version, engine } = JSON.parse(readFileSync(this.#file, 'utf8')) as Partial<ChoiceFile>;
      if (version === 1 && typeof engine === 'string') return engine;
    } catch (error) {
      throw unusable(reasonOf(error), error);
    }
    throw unusable('it does not have the form of this version');
  }

  write(engine: string): void {
    mkdirSync(this.#home, { recursive: true, mode: 0o700 });
    chmodSync(this.#home, 0o700);
    const draft = `${this.#file}.${randomUUID()}`;
    writeFileSync(draft, `${JSON.stringify({ version: 1, engine } satisfies ChoiceFile)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(draft, this.#file);
  }
}
