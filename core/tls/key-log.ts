/**
 * The secrets of the handshakes that end here or begin here, as lines of the NSS key log format
 * (draft-ietf-tls-keylogfile): `LABEL CLIENT_RANDOM SECRET`, hexadecimal. Where nobody takes them there is no `KeyLog`
 * at all, and nothing listens for them.
 */
import type { TLSSocket } from 'node:tls';

export type KeyTaker = (line: string) => void;

export class KeyLog {
  readonly #takers: readonly KeyTaker[];

  /** Each taker gets whole lines, with their newline, before the handshake goes on. They must not throw. */
  constructor(takers: readonly KeyTaker[]) {
    this.#takers = takers;
  }

  /** Takes the secrets of a socket, either side's. To be called before the socket has done anything. */
  watch(socket: TLSSocket): void {
    socket.on('keylog', (line) => this.write(line));
  }

  /** One line or several, with or without a newline at the end. */
  write(line: Buffer | string): void {
    const text = typeof line === 'string' ? line : line.toString('latin1');
    const whole = text.endsWith('\n') ? text : `${text}\n`;
    for (const take of this.#takers) take(whole);
  }
}
