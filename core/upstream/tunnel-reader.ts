/** Reads the short answers of a proxy from a socket and leaves all that follows them to the next reader. */
import type { Socket } from 'node:net';

/** The longest answer that is waited for, in bytes. */
const LONGEST_ANSWER = 16_384;

export interface Parsed<T> {
  readonly value: T;
  /** Bytes of the answer. */
  readonly length: number;
}

/** Reads until `parse` finds a whole answer (it gives null for less). Rejects when the socket ends before, or with what `parse` throws. */
export function readAnswer<T>(socket: Socket, parse: (bytes: Buffer) => Parsed<T> | null): Promise<T> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (): void => {
      socket.off('readable', read);
      socket.off('error', failed);
      socket.off('end', ended);
      socket.off('close', ended);
    };
    const failed = (error: Error): void => {
      settle();
      reject(error);
    };
    const ended = (): void => failed(new Error('the proxy closed the connection'));
    const read = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      bytes = Buffer.concat([bytes, chunk]);
      try {
        const parsed = parse(bytes);
        if (parsed === null) {
          if (bytes.length > LONGEST_ANSWER) throw new Error(`an answer of more than ${LONGEST_ANSWER} bytes`);
          return;
        }
        settle();
        if (parsed.length < bytes.length) socket.unshift(bytes.subarray(parsed.length));
        resolve(parsed.value);
      } catch (error) {
        failed(error as Error);
      }
    };
    socket.on('readable', read);
    socket.on('error', failed);
    socket.on('end', ended);
    socket.on('close', ended);
    if (socket.destroyed) return failed(socket.errored ?? new Error('the proxy closed the connection'));
    read();
  });
}
