/** Lines of a byte stream in bounded memory. */

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Null where the line is longer than the limit; its bytes were read past and not kept. */
  readonly text: string | null;
  /** False where the stream ended without a newline. */
  readonly ended: boolean;
  /** Bytes. */
  readonly limit: number;
}

/** Longer than any record: two bodies at a limit of 4 MiB, escaped six-fold. */
export const MAX_LINE = 64 * 1024 * 1024;

const NEWLINE = 0x0a;

export async function* readLines(chunks: AsyncIterable<Uint8Array>, limit = MAX_LINE): AsyncGenerator<Line> {
  let number = 0;
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array): void => {
    length += part.length;
    if (length > limit) parts = [];
    else parts.push(part);
  };
  const finish = (ended: boolean): Line => {
    const text = length > limit ? null : decode(parts);
    parts = [];
    length = 0;
    return { number: ++number, text, ended, limit };
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      yield finish(true);
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (length > 0) yield finish(false);
}

function decode(parts: readonly Uint8Array[]): string {
  return (parts.length === 1 ? Buffer.from(parts[0]!.buffer, parts[0]!.byteOffset, parts[0]!.length) : Buffer.concat(parts)).toString('utf8');
}
