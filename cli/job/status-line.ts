/** One live line on the terminal while a job runs. It keeps to the bottom row, out of the way of the command's output. */

const REFRESH = 500;
/** A smaller terminal has no row to spare. */
const MIN_ROWS = 8;
/** Milliseconds since the command last wrote: a drawing in the middle of its output could meet its cursor moves. */
const QUIET = 150;

export class StatusLine {
  readonly #out: NodeJS.WriteStream;
  readonly #text: () => string;
  readonly #reserves: boolean;
  readonly #timer: NodeJS.Timeout;
  #lastOutput = 0;
  #suspended = false;
  #drawn = false;

  /** Null where there is no terminal to draw on. @param sharedWithOutput the command writes to the same terminal. */
  static open(text: () => string, sharedWithOutput: boolean): StatusLine | null {
    const out = process.stderr;
    if (!out.isTTY || process.env['TERM'] === 'dumb' || (out.rows ?? 0) < MIN_ROWS) return null;
    return new StatusLine(out, text, sharedWithOutput);
  }

  private constructor(out: NodeJS.WriteStream, text: () => string, reserves: boolean) {
    this.#out = out;
    this.#text = text;
    this.#reserves = reserves;
    this.#reserve();
    this.#timer = setInterval(() => this.#draw(), REFRESH);
    this.#timer.unref();
  }

  /** Rows that are left to the command. */
  get rowsForCommand(): number {
    return this.#reserves ? this.#out.rows - 1 : this.#out.rows;
  }

  /** The command wrote to the terminal. Programs that take the whole screen are left alone with it. */
  sawOutput(chunk: Buffer): void {
    this.#lastOutput = performance.now();
    const text = chunk.toString('latin1');
    const enters = Math.max(text.lastIndexOf('\x1b[?1049h'), text.lastIndexOf('\x1b[?47h'));
    const leaves = Math.max(text.lastIndexOf('\x1b[?1049l'), text.lastIndexOf('\x1b[?47l'));
    if (enters !== leaves) this.#suspended = enters > leaves;
  }

  resized(): void {
    this.#reserve();
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#reserves) this.#out.write(`\x1b7\x1b[r\x1b[${this.#out.rows};1H\x1b[2K\x1b8`);
    else if (this.#drawn) this.#out.write('\r\x1b[2K');
  }

  /** Makes the scrolling region end one row above the last. */
  #reserve(): void {
    if (this.#reserves) this.#out.write(`\n\x1b[A\x1b7\x1b[1;${this.#out.rows - 1}r\x1b8`);
  }

  #draw(): void {
    if (this.#suspended || performance.now() - this.#lastOutput < QUIET) return;
    const text = this.#text().slice(0, this.#out.columns - 1);
    this.#drawn = true;
    if (this.#reserves) this.#out.write(`\x1b7\x1b[${this.#out.rows};1H\x1b[2K${text}\x1b8`);
    else this.#out.write(`\r\x1b[2K${text}`);
  }
}
