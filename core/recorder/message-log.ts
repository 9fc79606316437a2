/**
 * The messages of one flow. The first ones are listed in the record; once they are too many for it, all of them go to
 * a file under `bodies/`, a line of JSON each, while they pass. Memory is bounded, however many there are.
 */
import { createHash, type Hash } from 'node:crypto';
import type { MessageList, MessageRecord } from '../record-parts.ts';
import type { CaptureSettings } from './body-capture.ts';
import type { MessageBytes } from './message-bytes.ts';
import type { Spool } from './spool.ts';

/** Messages that a record lists at most; their data take no more than the limit of a body. */
const MAX_LISTED = 1000;
/** Messages whose data are still on their way to a file; further ones ask the source to pause. */
const MAX_UNFINISHED = 8;

/** Bytes of lines that may wait for the disk: many short ones that outlive their turn are slow to collect. */
const WAITING = 512 * 1024;
interface Entry<Message> {
  /** Null where the data are not there yet. */
  message: Message | null;
  /** The data of a long message, which the message itself is without. */
  bytes: MessageBytes | null;
}

export class MessageLog<Message extends MessageRecord> {
  readonly #settings: CaptureSettings;
  readonly #count = { up: 0, down: 0 };
  readonly #listed: Message[] = [];
  #listedBytes = 0;
  /** In the order in which they were complete. */
  readonly #queue: Entry<Message>[] = [];
  #truncated = false;
  #spool: Spool | null = null;
  #hash: Hash | null = null;
  /** The file asks for a pause. */
  #diskIsFull = false;
  #paused = false;
  /** Files of messages that the record does not list; without the file of all they are nobody's. */
  #unlisted: string[] = [];
  #ending: ((list: MessageList<Message>) => void) | null = null;
  /** Called once after each `add` that returned false, when there is room again. */
  onDrain: (() => void) | null = null;

  constructor(settings: CaptureSettings) {
    this.#settings = settings;
  }

  /**
   * Takes a message when it is complete. Its data may still be on their way: `whole` calls back with the message, in
   * this turn or a later one; the order of the calls of `add` is kept. False asks for a pause until `onDrain`.
   */
  add(from: 'client' | 'server', whole: (done: (message: Message, bytes?: MessageBytes | null) => void) => void): boolean {
    this.#count[from === 'client' ? 'up' : 'down']++;
    const entry: Entry<Message> = { message: null, bytes: null };
    this.#queue.push(entry);
    whole((message, bytes = null) => {
      entry.message = message;
      entry.bytes = bytes;
      this.#settle();
    });
    this.#paused = this.#isFull;
    return !this.#paused;
  }

  /** Calls back when all messages are where they belong. Call it once. */
  finish(done: (list: MessageList<Message>) => void): void {
    this.#ending = done;
    this.#settle();
  }

  #settle(): void {
    for (let first = this.#queue[0]; first?.message; first = this.#queue[0]) {
      this.#queue.shift();
      this.#take(first.message, first.bytes);
      first.bytes?.release();
    }
    this.#relieve();
    if (this.#queue.length > 0 || !this.#ending) return;
    const done = this.#ending;
    this.#ending = null;
    const list = { messages: this.#listed, message_count: this.#count, messages_truncated: this.#truncated, messages_file: null };
    if (!this.#spool) return done(list);
    this.#settings.store!.commit(this.#spool, this.#hash!.digest('hex'), (file) => {
      if (file === null) for (const unlisted of this.#unlisted.splice(0)) this.#forget(unlisted);
      done({ ...list, messages_file: file });
    });
  }

  #take(message: Message, bytes: MessageBytes | null): void {
    const fits = !this.#truncated && this.#listed.length < MAX_LISTED && this.#listedBytes <= this.#settings.limit;
    if (fits) {
      if (bytes) Object.assign(message, { data: bytes.text(), data_encoding: bytes.encoding });
      this.#listed.push(message);
      this.#listedBytes += message.data?.length ?? 0;
      return;
    }
    if (!this.#truncated) this.#overflow();
    if (message.data_file !== null) {
      if (this.#spool) this.#unlisted.push(message.data_file);
      else this.#forget(message.data_file);
    }
    this.#write(message, bytes);
  }

  #forget(file: string): void {
    this.#settings.store!.release(file).catch(() => {});
  }

  #overflow(): void {
    this.#truncated = true;
    this.#spool = this.#settings.keep === 'none' ? null : (this.#settings.store?.create(WAITING) ?? null);
    if (!this.#spool) return;
    this.#hash = createHash('sha256');
    this.#spool.onDrain = () => {
      this.#diskIsFull = false;
      this.#relieve();
    };
    for (const message of this.#listed) this.#write(message);
  }

  #write(message: Message, bytes: MessageBytes | null = null): void {
    if (!this.#spool) return;
    if (!bytes) return this.#writePiece(Buffer.from(JSON.stringify(message) + '\n'));
    const [before, after] = JSON.stringify({ ...message, data_encoding: bytes.encoding }).split('"data":null', 2) as [string, string];
    this.#writePiece(Buffer.from(`${before}"data":"`));
    for (const piece of bytes.json()) this.#writePiece(piece);
    this.#writePiece(Buffer.from(`"${after}\n`));
  }

  #writePiece(piece: Buffer): void {
    this.#hash!.update(piece);
    // Who has not paused yet may find room that others still wait for.
    this.#diskIsFull = !this.#spool!.write(piece);
  }

  get #isFull(): boolean {
    return this.#diskIsFull || this.#queue.length >= MAX_UNFINISHED;
  }

  #relieve(): void {
    if (!this.#paused || this.#isFull) return;
    this.#paused = false;
    this.onDrain?.();
  }
}
