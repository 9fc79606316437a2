/** The package as a user has it: packed from a copy of the sources, installed into an empty folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = join(import.meta.dirname, '../..');
/** What is packed, and what packing needs. */
const NEEDED = ['core', 'plugins', 'cli', 'presets', 'docs', 'package.json', 'package-lock.json', '.npmrc', 'README.md', 'LICENSE', 'tsconfig.json', 'tsconfig.build.json'];
const LIMIT_MS = 120_000;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Installation {
  readonly #base = mkdtempSync(join(tmpdir(), 'mentu-package-'));
  /** Where the package is installed. */
  readonly folder = join(this.#base, 'project');
  readonly environment: NodeJS.ProcessEnv = {
    ...process.env,
    // The Node that runs this test, and not the one that came with the machine.
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    MENTU_HOME: join(this.#base, 'home'),
    // A test runner below this one is none of its parts.
    NODE_TEST_CONTEXT: undefined,
  };

  /** Packs and installs. No package's own install script runs, for npm may be set to run none. */
  static async make(): Promise<Installation> {
    const installation = new Installation();
    const checkout = join(installation.#base, 'checkout');
    mkdirSync(checkout);
    mkdirSync(installation.folder);
    for (const name of NEEDED) cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
    await installation.#must(checkout, 'npm', 'pack', '--pack-destination', installation.#base);
    const file = readdirSync(installation.#base).find((name) => name.endsWith('.tgz'))!;
    await installation.#must(installation.folder, 'npm', 'install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', join(installation.#base, file));
    return installation;
  }

  get package(): string {
    return join(this.folder, 'node_modules/mentu-interceptor');
  }

  run(program: string, ...args: string[]): Promise<Result> {
    return this.#run(this.folder, program, args);
  }

  close(): void {
    rmSync(this.#base, { recursive: true, force: true });
  }

  async #must(cwd: string, program: string, ...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await this.#run(cwd, program, args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  }

  async #run(cwd: string, program: string, args: readonly string[]): Promise<Result> {
    const child = spawn(program, args, { cwd, env: this.environment, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: code as number | null, stdout, stderr };
  }
}
