/**
 * A connection that is neither TLS nor HTTP, or TLS with something else than HTTP inside: relayed as it is, recorded
 * as one flow of kind `tcp`. Where its protocol turns to TLS half-way (STARTTLS), the relay follows.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import { splice, type SpliceEnd, type SpliceTap } from '../relay/splice.ts';
import type { Session, Stage } from '../relay/stage.ts';
import type { Outcome } from '../record.ts';
import type { Dialled } from '../upstream/dialler.ts';
import { InnerTls } from './inner-tls.ts';
import { StreamWatch } from './stream-watch.ts';
import { dialogueOf, type TlsDialogue } from './tls-dialogue.ts';
import { openUpstream, openingFailure, upstreamFacts } from './upstream-opening.ts';

export interface RawBeginning {
  /** The upstream, where it is dialled already. */
  readonly dialled?: Dialled;
  /** What a client had said that has ended its half since. */
  readonly said?: Buffer;
}

export class RawRelay implements Stage, SpliceTap {
  onDrain: SpliceTap['onDrain'] = null;
  readonly #session: Session;
  readonly #beginning: RawBeginning;
  readonly #dialling = new AbortController();
  readonly #watch: StreamWatch | null;
  readonly #isRecorded: boolean;
  readonly #bytes: { up: number; down: number };
  #client: Duplex;
  #upstream: Dialled | null = null;
  #dialogue: TlsDialogue | null = null;
  #protocol: string | null = null;
  #part: () => void = () => {};
  #inner: InnerTls | null = null;
  #isOver = false;

  constructor(session: Session, beginning: RawBeginning) {
    this.#session = session;
    this.#beginning = beginning;
    this.#client = session.stream;
    const { captureSettings: settings, hooks } = session.services.recorder;
    this.#isRecorded = settings !== null;
    // Who judges connections is asked about TLS that begins half-way, recorded or not.
    this.#watch = this.#isRecorded || hooks.connectIsTapped ? new StreamWatch(settings?.beginning ?? 0) : null;
    this.#bytes = this.#watch?.bytes ?? { up: 0, down: 0 };
  }

  begin(): void {
    // Where the sinks are far behind, the connection waits like any other flow.
    this.#session.services.recorder.admit(() => this.#admitted());
  }

  #admitted(): void {
    const { dialled } = this.#beginning;
    if (dialled) return this.#begun(dialled);
    if (this.#isOver) return;
    openUpstream(this.#session, this.#dialling.signal).then(
      (opened) => this.#begun(opened),
      (error: MentuError) => {
        if (!this.#isOver) this.end(openingFailure(this.#session, error), error);
      },
    );
  }

  end(outcome: Outcome, error: MentuError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { connection, services } = this.#session;
    services.recorder.completeConnection(connection, { kind: 'tcp', outcome, error, bytes: this.#bytes, ...upstreamFacts(this.#upstream), ...(this.#watch && this.#isRecorded ? { parts: [this.#watch] } : {}) });
    this.#dialling.abort(error);
    this.#inner?.close();
    if (outcome === 'completed') this.#client.destroy();
    else this.#session.reset();
    this.#upstream?.socket.destroy();
    this.#session.close();
  }

  #begun(dialled: Dialled): void {
    if (this.#isOver) return void dialled.socket.destroy();
    this.#upstream = dialled;
    const { said } = this.#beginning;
    if (said) {
      this.#bytes.up += said.length;
      if (this.#watch) this.pass('client', said);
      dialled.socket.write(said);
    }
    this.#join();
  }

  #join(): void {
    const tap = this.#watch ? this : null;
    this.#part = splice(this.#client, this.#upstream!.socket, this.#session.connection.host, this.#bytes, (end) => this.#ended(end), tap);
  }

  /** A server that hung up without a byte may have wanted a certificate. */
  #ended({ outcome, error }: SpliceEnd): void {
    const refusal = this.#upstream!.refusal;
    if (!refusal || this.#bytes.down > 0 || error?.code !== 'upstream_aborted') return this.end(outcome, error);
    void refusal().then((reason) => this.end(outcome, reason ?? error));
  }

  /** Never holds anything: the beginnings are in memory. */
  pass(from: 'client' | 'server', chunk: Buffer): boolean {
    const watch = this.#watch!;
    this.#session.services.recorder.reclaimer.passed(chunk.length);
    if (from === 'client') watch.up(chunk);
    else watch.down(chunk);
    if (this.#protocol === null && watch.protocol !== null) {
      this.#protocol = watch.protocol;
      if (!this.#session.connection.clientHello) this.#dialogue = dialogueOf(watch.protocol);
    }
    if (this.#dialogue) this.#listen(this.#dialogue, from, chunk);
    return true;
  }

  #listen(dialogue: TlsDialogue, from: 'client' | 'server', chunk: Buffer): void {
    if (from === 'client') dialogue.up(chunk);
    else if (dialogue.down(chunk)) return this.#follow(dialogue);
    if (dialogue.isOver) this.#dialogue = null;
  }

  /** The server has agreed to TLS: what the client says next is looked at. */
  #follow(dialogue: TlsDialogue): void {
    this.#part();
    this.#inner = new InnerTls(this.#session, this.#client, this.#upstream!, {
      clear: () => this.#join(),
      opaque: () => {
        this.#dialogue = null;
        this.#watch!.upgradedBy = dialogue.means;
        this.#watch!.becomeOpaque();
        this.#join();
      },
      secured: (client, upstream) => {
        this.#dialogue = null;
        this.#watch!.upgradedBy = dialogue.means;
        this.#client = client;
        this.#upstream = upstream;
        this.#join();
      },
      failed: (outcome, error) => this.end(outcome, error),
    });
    this.#inner.begin();
  }
}
