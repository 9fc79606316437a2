/**
 * The bytes of a machine's terminal on their way between the host and busybox's telnetd, which is the one program of the
 * guest that opens a pseudo-terminal and relays it: telnet (RFC 854), of which only the escapes are needed.
 * QEMU's own virtual console is no way, for it drops what the host does not take at once.
 */
import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import { MarkedOutput } from './marked-output.ts';

const IAC = 0xff;
const NOP = 0xf1;
const CARRIAGE_RETURN = 0x0d;
/** WILL, WON'T, DO, DON'T: one more byte follows. */
const FIRST_WITH_OPTION = 0xfb;

/** What is typed. telnetd takes a line feed after a carriage return for a part of it, so something comes between them. */
export class TelnetInput extends Transform {
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes: number[] = [];
    for (const byte of chunk) {
      bytes.push(byte);
      if (byte === IAC) bytes.push(IAC);
      else if (byte === CARRIAGE_RETURN) bytes.push(IAC, NOP);
    }
    done(null, Buffer.from(bytes));
  }
}

/** What is shown between two marks that the guest puts around it: telnetd greets whoever comes. */
export class TelnetOutput extends MarkedOutput {
  /** The beginning of an escape whose rest has not come yet. */
  #kept: Buffer = Buffer.alloc(0);

  constructor(mark: string) {
    super(mark, 'between two marks');
  }

  override _transform(chunk: Buffer, encoding: BufferEncoding, done: TransformCallback): void {
    super._transform(this.#decoded(chunk), encoding, done);
  }

  #decoded(chunk: Buffer): Buffer {
    const bytes = Buffer.concat([this.#kept, chunk]);
    const shown: Buffer[] = [];
    let at = 0;
    for (let escape = bytes.indexOf(IAC); escape >= 0; escape = bytes.indexOf(IAC, at)) {
      shown.push(bytes.subarray(at, escape));
      const command = bytes[escape + 1];
      at = escape + (command !== undefined && command >= FIRST_WITH_OPTION && command !== IAC ? 3 : 2);
      if (at > bytes.length) {
        this.#kept = bytes.subarray(escape);
        return Buffer.concat(shown);
      }
      if (command === IAC) shown.push(bytes.subarray(escape, escape + 1));
    }
    this.#kept = Buffer.alloc(0);
    return Buffer.concat([...shown, bytes.subarray(at)]);
  }
}
