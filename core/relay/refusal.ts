/** An answer in the upstream's place that waits until the request's body was read for the record, as far as patience goes. */
import type { Answer } from './answer.ts';
import type { ClientExchange } from './exchange.ts';
import { responseFor } from './translation.ts';

/** Bytes and milliseconds of a refused request's body that are waited for. */
const PATIENCE_BYTES = 1024 * 1024;
const PATIENCE_MS = 2000;

export class Refusal {
  readonly #answer: () => void;
  #timer: NodeJS.Timeout | null = null;
  #size = 0;
  #over = false;

  /** @param answer is called once, in this turn where there is no body to wait for. */
  constructor({ head }: ClientExchange, bodyEnded: boolean, answer: () => void) {
    this.#answer = answer;
    // A client that expects 100 (Continue) sends no body before it has been answered (RFC 9110, section 10.1.1).
    if (bodyEnded || head.headers.has('expect')) this.answer();
    else this.#timer = setTimeout(() => this.answer(), PATIENCE_MS);
  }

  get isWaiting(): boolean {
    return !this.#over;
  }

  sawBody(bytes: number): void {
    this.#size += bytes;
    if (this.#size > PATIENCE_BYTES) this.answer();
  }

  answer(): void {
    if (this.#over) return;
    this.cancel();
    this.#answer();
  }

  cancel(): void {
    this.#over = true;
    if (this.#timer) clearTimeout(this.#timer);
  }
}

/** Sends an answer whole; what is left of the request is not wanted. */
export function sendAnswer(client: ClientExchange, { head, body }: Answer): void {
  client.respond(responseFor(head, client.head.httpVersion));
  if (body.length > 0 && client.head.method !== 'HEAD') client.write(body);
  client.end(null);
  client.abandonRequest();
}
