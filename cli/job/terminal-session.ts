/** Joins the user's terminal to the guest's: keys in, output out, size changes on. */
import { spawnSync } from 'node:child_process';
import type { GuestTerminal } from '../../plugins/engines/engine.ts';
import type { StatusLine } from './status-line.ts';

/** True where the command is to have a terminal of its own: both its input and its output are one here. */
export function wantsTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY;
}

export class TerminalSession {
  readonly #terminal: GuestTerminal;
  readonly #status: StatusLine | null;
  readonly #finished: Promise<void>;

  constructor(terminal: GuestTerminal, status: StatusLine | null) {
    this.#terminal = terminal;
    this.#status = status;
    // Every key is the guest's, Ctrl-C too: its terminal makes a signal of it.
    process.stdin.setRawMode(true);
    leaveOutputAlone();
    process.stdin.on('data', this.#onInput);
    // An earlier session has paused it, and then a listener alone does not let it flow.
    process.stdin.resume();
    process.stdout.on('resize', this.#onResize);
    terminal.output.on('data', (chunk: Buffer) => {
      status?.sawOutput(chunk);
      if (!process.stdout.write(chunk)) {
        terminal.output.pause();
        process.stdout.once('drain', () => terminal.output.resume());
      }
    });
    this.#finished = new Promise((resolve) => terminal.output.once('end', resolve).once('close', resolve));
  }

  /** Waits for the last output of a guest that has ended, and gives the terminal back as it was. */
  async close(): Promise<void> {
    await Promise.race([this.#finished, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    process.stdin.off('data', this.#onInput);
    process.stdout.off('resize', this.#onResize);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }

  readonly #onInput = (chunk: Buffer): void => {
    this.#terminal.input.write(chunk);
  };

  readonly #onResize = (): void => {
    this.#status?.resized();
    this.#terminal.resize(process.stdout.columns, this.#status?.rowsForCommand ?? process.stdout.rows);
  };
}

/**
 * The guest's terminal has made its line ends already, and programs that move the cursor mean a line feed as one.
 * Node's raw mode goes on turning each into two characters, and has no say in it; leaving that mode undoes this too.
 */
function leaveOutputAlone(): void {
  spawnSync('stty', ['-opost'], { stdio: [0, 'ignore', 'ignore'], timeout: 1000 });
}
