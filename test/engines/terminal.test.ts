/** A guest on a terminal of its own: an interactive shell with job control, sizes, and output that is complete. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Guest } from '../../plugins/engines/engine.ts';
import { ENGINES } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import { consume, specOf, within } from './job.ts';

class Screen {
  readonly guest: Guest;
  readonly #patience: number;
  text = '';

  constructor(guest: Guest, patience: number) {
    this.guest = guest;
    this.#patience = patience;
    guest.terminal!.output.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
  }

  type(keys: string): void {
    this.guest.terminal!.input.write(keys);
  }

  async shows(pattern: RegExp): Promise<void> {
    for (let waited = 0; !pattern.test(this.text); waited += 10) {
      if (waited > 5000 * this.#patience) assert.fail(`${pattern} is not on the screen:\n${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.text = '';
  }

  /** Keys for a program that says so when it runs: earlier ones would be the shell's. */
  async start(line: string, started: RegExp): Promise<void> {
    this.type(`${line}\r`);
    await this.shows(started);
    await new Promise((resolve) => setTimeout(resolve, 50 * this.#patience));
  }
}

async function withScreen(engine: TestedEngine, command: readonly string[], use: (screen: Screen) => Promise<void>): Promise<void> {
  const [file = '', ...args] = command;
  const guest = await (await engine.make()).prepare(specOf({ limits: engine.limits, command: file, args, env: { PS1: 'prompt> ', TERM: 'vt100' }, terminal: { columns: 91, rows: 37 } }));
  try {
    consume(guest);
    const screen = new Screen(guest, engine.patience);
    await guest.run();
    await use(screen);
  } finally {
    await guest.close();
  }
}

const SLEEPER = "sh -c 'echo asleep; exec sleep 50'";

for (const engine of ENGINES) {
  describe(engine.name, { concurrency: 2 }, () => {
    test('an interactive shell: its terminal, sizes, Ctrl-Z, Ctrl-C, Ctrl-D, signals to the foreground, no warning', async () => {
      await withScreen(engine, ['bash', '--norc', '-i'], async (screen) => {
        await screen.shows(/^(?!.*(?:job control|no terminal|cannot set)).*prompt> $/s);
        screen.type('stty size; tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three; echo controlling >/dev/tty; grep -E "^Sig(Blk|Ign)" /proc/self/status | tr -s 0 | xargs\r');
        await screen.shows(/37 91\r\n\/dev\/\S+\r\nthree\r\ncontrolling\r\nSigBlk: 0 SigIgn: 0\r\n.*prompt> $/s);

        screen.type("trap 'echo resized' WINCH\r");
        await screen.shows(/prompt> $/);
        screen.guest.terminal!.resize(100, 40);
        screen.type('stty size\r');
        await screen.shows(/40 100\r\n.*prompt> $/s);
        await screen.start(`python3 -c 'import os, signal; signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"size %d %d;" % os.get_terminal_size())); print("wait" "ing", flush=True); any(iter(signal.pause, 1))'`, /waiting\r\n/);
        screen.guest.terminal!.resize(77, 33);
        await screen.shows(/size 77 33;/);
        screen.type('\x03'); // Ctrl-C
        await screen.shows(/prompt> $/);

        await screen.start(SLEEPER, /asleep\r\n/);
        screen.type('\x1a'); // Ctrl-Z
        await screen.shows(/Stopped.*prompt> $/s);
        screen.type('bg; jobs\r');
        await screen.shows(/Running +sh -c.*prompt> $/s);
        await screen.start('fg', /sleep 50'\r\n/);
        screen.type('\x03'); // Ctrl-C
        await screen.shows(/\^C.*prompt> $/s);

        await screen.start(`${SLEEPER}; echo code $?`, /asleep\r\n/);
        screen.guest.signal('SIGTERM');
        await screen.shows(/code 143\r\n.*prompt> $/s);
        screen.type('cat | tr a-z A-Z\r');
        await screen.shows(/A-Z\r\n/);
        screen.type('é, line\r\x04'); // Ctrl-D
        await screen.shows(/é, LINE\r\n.*prompt> $/s);
        screen.type('exit 5\r');
        assert.deepEqual(await within(screen.guest.exited, 10_000 * engine.patience), { code: 5, signal: null });
      });
    });

    test('output is complete when it ends, and ends with the guest', async () => {
      const guest = await (await engine.make()).prepare(specOf({ limits: engine.limits, command: 'sh', args: ['-c', 'echo first; seq 100000; exit 3'], terminal: { columns: 80, rows: 24 } }));
      try {
        consume(guest);
        const ended = (async () => {
          let text = '';
          for await (const chunk of guest.terminal!.output) text += String(chunk);
          return text;
        })();
        await guest.run();
        assert.deepEqual(await within(guest.exited, 20_000 * engine.patience), { code: 3, signal: null });
        const lines = (await within(ended, 5000 * engine.patience)).trimEnd().split('\r\n');
        assert.deepEqual([lines[0], lines.length, lines.at(-1)], ['first', 100_001, '100000']);
      } finally {
        await guest.close();
      }
    });
  });
}
