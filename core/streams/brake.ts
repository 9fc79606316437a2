/** Holds a source back for as long as anyone asks for it. */
export class Brake {
  /** Called when the last one has let go. */
  onRelease: (() => void) | null = null;
  #holders: Set<object> | null = null;

  get isHeld(): boolean {
    return this.#holders !== null && this.#holders.size > 0;
  }

  hold(holder: object): void {
    (this.#holders ??= new Set()).add(holder);
  }

  release(holder: object): void {
    if (this.#holders?.delete(holder) && this.#holders.size === 0) this.onRelease?.();
  }
}
