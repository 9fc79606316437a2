import type { BodyTransform } from '../../core/index.ts';

/** A line is a message with its data, which are bounded. Bytes. */
const LONGEST_LINE = 256 * 1024 * 1024;

export interface LineMap {
  /** The line to write in its place. */
  map(line: string): Promise<string>;
  /** Called for each line after one that failed, or after the writing did: nothing of it is kept. */
  drop(line: string): Promise<void>;
}

/** A transform that maps a file line by line; unchanged where every line was. */
export function mapLines({ map, drop }: LineMap): BodyTransform {
  return async function* (bytes) {
    const lines = linesOf(bytes);
    let changed = false;
    let whole = false;
    try {
      // Not `for await`: it would end the lines, of which those that are left must still be dropped.
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        const mapped = await map(next.value);
        changed ||= mapped !== next.value;
        yield Buffer.from(mapped + '\n');
      }
      whole = true;
      return changed ? undefined : 'unchanged';
    } finally {
      if (!whole) for await (const line of lines) await drop(line).catch(() => {});
      await lines.return();
    }
  };
}

async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    let at = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, at)) {
      yield Buffer.concat([...held, chunk.subarray(at, end)]).toString();
      held = [];
      size = 0;
      at = end + 1;
    }
    if (at === chunk.length) continue;
    held.push(chunk.subarray(at));
    size += chunk.length - at;
    if (size > LONGEST_LINE) throw new Error(`a line is longer than ${LONGEST_LINE} bytes`);
  }
  if (size > 0) yield Buffer.concat(held).toString();
}
