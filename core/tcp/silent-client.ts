/**
 * A client that says nothing: its upstream is dialled, for in many protocols the server greets. Whoever speaks first
 * tells how it goes on: a server by itself, a client through the session, which looks at what it says as ever.
 */
import type { MentuError } from '../errors.ts';
import type { Session, Stage } from '../relay/stage.ts';
import type { Outcome } from '../record.ts';
import type { Dialled } from '../upstream/dialler.ts';
import { openUpstream, openingFailure, upstreamFacts } from './upstream-opening.ts';

export class SilentClient implements Stage {
  readonly #session: Session;
  readonly #onServer: (dialled: Dialled) => void;
  readonly #dialling = new AbortController();
  #opening: Promise<Dialled> | null = null;
  #dialled: Dialled | null = null;
  #isOver = false;

  /** @param onServer the server has spoken, or left: the stage is over, and what it said stands in its socket. */
  constructor(session: Session, onServer: (dialled: Dialled) => void) {
    this.#session = session;
    this.#onServer = onServer;
  }

  begin(): void {
    this.#opening = openUpstream(this.#session, this.#dialling.signal, true);
    this.#opening.then(
      (dialled) => {
        if (this.#isOver) return;
        this.#dialled = dialled;
        dialled.socket.on('error', ignore);
        dialled.socket.on('readable', this.#spoken);
        dialled.socket.on('close', this.#spoken);
      },
      (error: MentuError) => {
        if (!this.#isOver) this.end(openingFailure(this.#session, error), error);
      },
    );
  }

  /** The upstream for the client, which has spoken after all: the stage is over. */
  release(): Promise<Dialled> {
    this.#leave();
    return this.#opening!;
  }

  end(outcome: Outcome, error: MentuError): void {
    if (this.#isOver) return;
    this.#leave();
    const { connection, services } = this.#session;
    services.recorder.completeConnection(connection, { kind: connection.clientHello ? 'tls' : 'tcp', outcome, error, bytes: { up: 0, down: 0 }, ...upstreamFacts(this.#dialled) });
    this.#dialling.abort(error);
    this.#opening?.then(({ socket }) => socket.destroy(), ignore);
    this.#session.reset();
    this.#session.close();
  }

  #leave(): void {
    this.#isOver = true;
    this.#dialled?.socket.off('readable', this.#spoken);
    this.#dialled?.socket.off('close', this.#spoken);
    this.#dialled?.socket.pause();
  }

  readonly #spoken = (): void => {
    this.#leave();
    this.#onServer(this.#dialled!);
  };
}

function ignore(): void {
  // 'close' follows and is what counts.
}
