/** A timer that is set anew all the time and only rarely has to be: an early ring is as good as a timely one. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | null = null;
  #due = Infinity;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at that time of performance.now() or before. */
  ringBy(due: number): void {
    if (due === Infinity || (this.#timer && this.#due <= due)) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#ring();
    }, Math.max(1, Math.ceil(due - performance.now())));
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
