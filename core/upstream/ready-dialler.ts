/** A dialler whose first connection stands already, or is on its way: what was dialled for a silent client, or a tunnel that was asked for. */
import type { Dialled, DialRequest, UpstreamDialler } from './dialler.ts';

export class ReadyDialler implements UpstreamDialler {
  #ready: Promise<Dialled> | null;
  readonly #next: UpstreamDialler;

  constructor(ready: Promise<Dialled>, next: UpstreamDialler) {
    this.#ready = ready;
    this.#next = next;
    // Whoever dials hears of a failure; nobody may dial.
    ready.catch(() => {});
  }

  async dial(request: DialRequest): Promise<Dialled> {
    const ready = this.#ready;
    this.#ready = null;
    if (ready === null) return this.#next.dial(request);
    const aborted = (): void => void ready.then(({ socket }) => socket.destroy(), () => {});
    request.signal?.addEventListener('abort', aborted, { once: true });
    try {
      const dialled = await ready;
      request.signal?.throwIfAborted();
      if (dialled.socket.destroyed) return await this.#next.dial(request);
      dialled.socket.allowHalfOpen = request.allowHalfOpen ?? false;
      return dialled;
    } finally {
      request.signal?.removeEventListener('abort', aborted);
    }
  }

  vet(host: string): void {
    this.#next.vet(host);
  }

  /** Closes what nobody has wanted. */
  close(): void {
    this.#ready?.then(({ socket }) => socket.destroy(), () => {});
    this.#ready = null;
  }
}
