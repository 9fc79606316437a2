/** Folders of the host for shares: files of many kinds, what guests must not see, and ways that would lead out. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const BLOB = 12 * 1024 * 1024 + 5;
export const SMALL_FILES = 1000;
const SECRET = 'secret of the host\n';

export class ShareTree {
  readonly #folder = realpathSync(mkdtempSync(join(tmpdir(), 'share-tree-')));
  readonly #digests = new Map<string, string>();

  path(name: string): string {
    return join(this.#folder, name);
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  digest(name: string): string {
    return createHash('sha256').update(readFileSync(this.path(name))).digest('hex');
  }

  fill(): void {
    this.#write('secret', SECRET);
    this.#write('one-file', 'one file\n');
    this.#write('nested:with,odd chars/below/file', 'content\n');
    for (const share of ['ro', 'rw']) {
      for (const name of ['deep/.mentu/flows', 'mentu.yaml', 'hidden/file', 'deep/er/mentu.yaml']) this.#write(`${share}/${name}`, SECRET);
      this.#write(`${share}/dated`, 'dated');
      utimesSync(this.path(`${share}/dated`), 1_000_000_000, 1_234_567_890);
      symlinkSync('../', this.path(`${share}/out`));
      symlinkSync(this.path('secret'), this.path(`${share}/secret-link`));
    }
    this.#write('ro/file', 'from the host\n');
    this.#write('ro/one-file', '');
    this.#write('ro/script', '#!/bin/sh\necho ran\n');
    chmodSync(this.path('ro/script'), 0o751);
    symlinkSync('file', this.path('ro/relative'));
    mkdirSync(this.path('ro/empty'));
    this.#write('ro/blob', randomBytes(BLOB));
    for (let number = 0; number < SMALL_FILES; number++) this.#write(`ro/many/${number}`, `${number}`.padStart(8));
    for (const [name, text] of [['odd \n"name', 'odd\n'], ['é', 'utf8\n'], ['-dash', 'dash\n']] as const) this.#write(`rw/names/${name}`, text);
    writeFileSync(Buffer.concat([Buffer.from(this.path('rw/names/')), Buffer.of(0xff, 0xfe)]), 'bytes\n');
    this.#write('rw/talk/changing', 'before\n');
    this.#repository();
    for (const name of ['secret', 'one-file', 'ro/file', 'ro/blob', 'ro/script', ...['ro', 'rw'].flatMap((share) => [`${share}/deep/.mentu/flows`, `${share}/mentu.yaml`, `${share}/hidden/file`])]) {
      this.#digests.set(name, this.digest(name));
    }
  }

  /** Files that are no longer what they were. */
  changed(): string[] {
    return [...this.#digests].filter(([name, digest]) => !this.has(name) || this.digest(name) !== digest).map(([name]) => name);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #write(name: string, content: string | Buffer): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
  }

  #repository(): void {
    const git = (...args: string[]): void => void execFileSync('git', args, { cwd: this.#folder, env: { PATH: process.env['PATH'], HOME: this.#folder }, stdio: 'pipe' });
    git('init', '-q', '-b', 'main', 'tree');
    for (let number = 0; number < 100; number++) this.#write(`tree/folder-${number % 7}/file-${number}`, randomBytes(300).toString('base64'));
    git('-C', 'tree', 'add', '.');
    git('-C', 'tree', '-c', 'user.name=t', '-c', 'user.email=t@demo.test', 'commit', '-q', '-m', 'first');
    git('clone', '-q', '--bare', 'tree', 'ro/repository.git');
  }
}
