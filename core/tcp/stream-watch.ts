/** What the record tells of a raw connection: how much passed, who spoke first, what it speaks, and how both sides began. */
import type { RecordPart } from '../flows/record-part.ts';
import type { RecordParts } from '../record-parts.ts';
import { BeginningCapture } from '../recorder/data-capture.ts';
import { SIGNATURE_BYTES, detectProtocol } from './signatures.ts';

export class StreamWatch implements RecordPart {
  /** Counted by who relays. */
  readonly bytes = { up: 0, down: 0 };
  protocol: string | null = null;
  upgradedBy: 'starttls' | 'sslrequest' | null = null;
  readonly #up: BeginningCapture;
  readonly #down: BeginningCapture;
  /** What detection looks at; null once it knows, or has seen enough. */
  #looked: { readonly client: BeginningCapture; readonly server: BeginningCapture } | null = {
    client: new BeginningCapture(SIGNATURE_BYTES),
    server: new BeginningCapture(SIGNATURE_BYTES),
  };
  #first: 'client' | 'server' | null = null;
  #opaque = false;

  /** @param limit bytes of each direction that the record shows. */
  constructor(limit: number) {
    this.#up = new BeginningCapture(limit);
    this.#down = new BeginningCapture(limit);
  }

  up(chunk: Buffer): void {
    if (!this.#opaque) this.#up.write(chunk);
    if (this.#looked) this.#look('client', chunk);
  }

  down(chunk: Buffer): void {
    if (!this.#opaque) this.#down.write(chunk);
    if (this.#looked) this.#look('server', chunk);
  }

  /** What follows is encrypted and says nothing: it is counted alone. */
  becomeOpaque(): void {
    this.#opaque = true;
    this.#looked = null;
  }

  finish(done: (parts: RecordParts) => void): void {
    done({ tcp: { protocol: this.protocol, upgraded_by: this.upgradedBy, speaks_first: this.#first, up: this.#up.record(), down: this.#down.record() } });
  }

  #look(side: 'client' | 'server', chunk: Buffer): void {
    const looked = this.#looked!;
    this.#first ??= side;
    looked[side].write(chunk);
    const { client, server } = looked;
    this.protocol = detectProtocol({ client: client.bytes, server: server.bytes, first: this.#first });
    if (this.protocol !== null || (client.size >= SIGNATURE_BYTES && server.size >= SIGNATURE_BYTES)) this.#looked = null;
  }
}
