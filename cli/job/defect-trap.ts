/** A defect of this program in the middle of a job: what was recorded is flushed and the guest ended before it is told. */
export class DefectTrap {
  /** Rejects with the first error that nobody caught; never resolves. */
  readonly caught: Promise<never>;
  readonly #onDefect: (error: unknown) => void;

  constructor() {
    let trap: (error: unknown) => void = () => {};
    this.caught = new Promise((_, reject) => (trap = reject));
    this.caught.catch(() => {});
    this.#onDefect = (error) => trap(error);
    process.on('uncaughtException', this.#onDefect);
    process.on('unhandledRejection', this.#onDefect);
  }

  close(): void {
    process.off('uncaughtException', this.#onDefect);
    process.off('unhandledRejection', this.#onDefect);
  }
}
