/** Counts the lines of a record that contain a text, without holding the file in memory. */
import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** 0 where there is no such file. */
export async function countLines(path: string, text: string): Promise<number> {
  if (!existsSync(path)) return 0;
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) if (line.includes(text)) count++;
  return count;
}
