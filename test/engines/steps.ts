/**
 * Many checks in one guest, for a guest may take seconds to start: every step is a script of bash whose output and exit
 * code come out by files, and a test of its own.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mount } from '../../plugins/engines/engine.ts';

export interface StepResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Step {
  readonly name: string;
  readonly script: string;
  readonly check: (result: StepResult) => void;
}

/** A step whose output is known. */
export function prints(name: string, script: string, stdout: string): Step {
  return { name, script, check: (result) => assert.deepEqual(result, { code: 0, stdout, stderr: result.stderr }, result.stderr) };
}

export class StepFolder {
  readonly #folder = mkdtempSync(join(tmpdir(), 'steps-test-'));
  readonly #numbers = new Map<string, number>();

  /** Each script ends within `limitS` seconds, and has code 124 if it does not. */
  constructor(steps: readonly Pick<Step, 'name' | 'script'>[], limitS = 20) {
    for (const name of ['scripts', 'results']) mkdirSync(join(this.#folder, name));
    for (const [index, { name, script }] of steps.entries()) {
      assert.ok(!this.#numbers.has(name), `two steps are named ${name}`);
      this.#numbers.set(name, index);
      writeFileSync(join(this.#folder, 'scripts', `${index}`), script);
    }
    writeFileSync(join(this.#folder, 'scripts/run'), [
      `for ((n = 0; n < ${steps.length}; n++)); do`,
      `  timeout -k 1 ${limitS} bash /mnt/steps/scripts/$n "$@" </dev/null >/mnt/steps/results/$n.out 2>/mnt/steps/results/$n.err`,
      '  echo $? >/mnt/steps/results/$n.code',
      'done',
    ].join('\n'));
  }

  readonly command = 'bash';
  readonly args = ['/mnt/steps/scripts/run'];
  /** The same, for who runs scripts. */
  readonly script = `exec bash ${this.args[0]}`;

  get mounts(): Mount[] {
    return ['scripts', 'results'].map((name) => ({ source: join(this.#folder, name), destination: `/mnt/steps/${name}`, readOnly: name === 'scripts' }));
  }

  result(name: string): StepResult {
    const file = (ending: string): string => join(this.#folder, 'results', `${this.#numbers.get(name)}.${ending}`);
    assert.ok(existsSync(file('code')), 'the guest has not come to the end of this step');
    return { code: Number(readFileSync(file('code'), 'utf8')), stdout: readFileSync(file('out'), 'utf8'), stderr: readFileSync(file('err'), 'utf8') };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
