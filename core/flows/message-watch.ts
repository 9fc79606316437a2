/** The messages of a flow for the plugins that observe them: gathered as they pass, whatever protocol they are of. */
import type { FlowMessage } from '../flow.ts';
import { Rope } from '../recorder/rope.ts';

export type MessageObserver = (message: FlowMessage) => void;

export interface MessageTap {
  readonly plugin: string;
  readonly observe: MessageObserver;
}

/** What a watch needs of the capture. */
export interface MessageWatchHost {
  /** Bytes of a message that observers are given. */
  readonly messageLimit: number;
  /** Runs a plugin's observer; its failure changes nothing. */
  guard(plugin: string, observe: () => void): void;
}

export class MessageWatch {
  readonly #host: MessageWatchHost;
  readonly #taps: readonly MessageTap[];
  readonly #kind: FlowMessage['kind'];
  /** The message under way of each side; without a rope where it is too long. */
  readonly #under = { client: { size: 0, rope: new Rope() }, server: { size: 0, rope: new Rope() } };

  private constructor(host: MessageWatchHost, taps: readonly MessageTap[], kind: FlowMessage['kind']) {
    this.#host = host;
    this.#taps = taps;
    this.#kind = kind;
  }

  /** Null where nobody observes: then there is nothing to do. */
  static of(taps: readonly MessageTap[] | null, host: MessageWatchHost, kind: FlowMessage['kind']): MessageWatch | null {
    return taps && new MessageWatch(host, taps, kind);
  }

  /** Bytes of the message under way; kept by reference until it ends. */
  write(from: 'client' | 'server', chunk: Buffer): void {
    const message = this.#under[from];
    message.size += chunk.length;
    if (message.size <= this.#host.messageLimit) message.rope.add(chunk);
    else if (message.rope.size > 0) message.rope.take();
  }

  /** The message under way was broken off: nobody is told. */
  drop(from: 'client' | 'server'): void {
    this.#under[from].size = 0;
    this.#under[from].rope.take();
  }

  /** The message under way is whole. */
  end(from: 'client' | 'server'): void {
    const { size, rope } = this.#under[from];
    const data = size <= this.#host.messageLimit ? Buffer.concat(rope.take()) : null;
    this.#under[from].size = 0;
    for (const { plugin, observe } of this.#taps) this.#host.guard(plugin, () => observe({ from, kind: this.#kind, size, data }));
  }
}
