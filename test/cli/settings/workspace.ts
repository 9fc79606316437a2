/** A folder of files for one test, removed when the test ends. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { MentuError } from '../../../core/index.ts';

export class Workspace {
  readonly folder: string;

  constructor(test: TestContext, files: Readonly<Record<string, string>> = {}) {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'mentu-settings-')));
    test.after(() => rmSync(this.folder, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }
}

/** For `assert.throws` and `rejects`: the code, where it is, and words of the message and the remedy. */
export function mistake(code: string, place: string | undefined, ...words: string[]): (error: unknown) => true {
  return (error) => {
    if (!(error instanceof MentuError)) throw error;
    const { file, line, column } = error.place ?? {};
    const found = [file, line, column].filter((part) => part !== undefined).join(':');
    if (error.code !== code || (place !== undefined && found !== place)) {
      throw new Error(`expected ${code} at ${place}, and found ${error.code} at ${found}: ${error.toString()}`, { cause: error });
    }
    const text = error.toString();
    for (const word of words) if (!text.includes(word)) throw new Error(`"${word}" is not in: ${text}`, { cause: error });
    if (/\{\w+\}/.test(text)) throw new Error(`a parameter is missing in: ${text}`, { cause: error });
    return true;
  };
}
