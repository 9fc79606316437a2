/** Holds a response back until the taps of `onResponse` have seen its head; open from the start where there are none. */
import type { CaptureHooks } from '../hooks.ts';
import type { Headers } from '../headers.ts';
import type { ResponseHead } from './exchange.ts';
import type { HttpFlow } from './http-flow.ts';
import { HELD_BY_HOOK } from './tee.ts';

export interface GatedResponse {
  respond(head: ResponseHead): void;
  data(chunk: Buffer): void;
  end(trailers: Headers | null): void;
}

export class ResponseGate {
  readonly #flow: HttpFlow;
  readonly #beyond: GatedResponse;
  /** What came while the gate was shut: at most what was in flight when the source was paused. */
  #chunks: Buffer[] = [];
  #ending: { readonly trailers: Headers | null } | null = null;
  #open = false;

  constructor(flow: HttpFlow, beyond: GatedResponse) {
    this.#flow = flow;
    this.#beyond = beyond;
  }

  /** True once the response is on its way to the client. */
  get isOpen(): boolean {
    return this.#open;
  }

  head(hooks: CaptureHooks, head: ResponseHead): void {
    if (!hooks.responseIsTapped) return this.#pass(head);
    let waiting = false;
    hooks.response(this.#flow, () => {
      this.#pass(head);
      if (waiting) this.#flow.down.release(HELD_BY_HOOK);
    });
    if (this.#open) return;
    waiting = true;
    this.#flow.down.hold(HELD_BY_HOOK);
  }

  data(chunk: Buffer): void {
    if (this.#open) this.#beyond.data(chunk);
    else this.#chunks.push(chunk);
  }

  end(trailers: Headers | null): void {
    if (this.#open) this.#beyond.end(trailers);
    else this.#ending = { trailers };
  }

  #pass(head: ResponseHead): void {
    this.#open = true;
    this.#beyond.respond(head);
    for (const chunk of this.#chunks) this.#beyond.data(chunk);
    this.#chunks = [];
    if (this.#ending) this.#beyond.end(this.#ending.trailers);
  }
}
