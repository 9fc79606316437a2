/** Runs the real `mentu` with a home of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const MENTU = join(import.meta.dirname, '../../../cli/bin/mentu');

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class MentuHome {
  readonly folder = mkdtempSync(join(tmpdir(), 'mentu-cli-'));
  readonly env: NodeJS.ProcessEnv = { ...process.env, MENTU_HOME: join(this.folder, 'home'), TZ: 'UTC', NO_COLOR: undefined, CI: undefined };

  run(...args: string[]): Result {
    const { status, stdout, stderr } = spawnSync(MENTU, args, { env: this.env, encoding: 'utf8', timeout: 20_000, cwd: this.folder, maxBuffer: 1 << 28 });
    return { code: status, stdout, stderr };
  }

  /** On a terminal of so many columns; what it shows. */
  onTerminal(columns: number, env: NodeJS.ProcessEnv, ...args: string[]): string {
    const command = `stty cols ${columns} rows 50; exec ${[MENTU, ...args].map((word) => `'${word}'`).join(' ')}`;
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { env: { ...this.env, TERM: 'xterm-256color', ...env }, encoding: 'utf8', timeout: 20_000, stdio: ['ignore', 'pipe', 'pipe'] });
    return stdout.replaceAll('\r\n', '\n');
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
