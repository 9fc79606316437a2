/** Writes results to stdout: at the reader's pace, and safe for a terminal whatever the text holds. */
import { once } from 'node:events';

export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** Notes to the person at the terminal, beside the result. A terminal in raw mode needs the carriage return as well. */
export function note(text: string): void {
  process.stderr.write(process.stdin.isRaw ? `${text.replaceAll('\n', '\r\n')}\r\n` : `${text}\n`);
}

/** Control and direction characters, with which recorded text could rewrite the terminal. */
const UNSAFE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** One line of text in which every control character is visible as `\u{…}`. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** JSON in which no character acts on a terminal; it parses to the same value. */
export function safeJson(value: unknown, indent?: number): string {
  const escape = (char: string): string => [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join('');
  return JSON.stringify(value, null, indent).replace(UNSAFE, (char) => (char === '\n' ? char : escape(char)));
}

/** `JSON` array, written as it comes. */
export async function writeJsonArray(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const item of items) await write(`${count++ === 0 ? '[\n' : ',\n'}${safeJson(item)}`);
  await write(count === 0 ? '[]\n' : '\n]\n');
  return count;
}

export async function writeJsonLines(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const item of items) {
    count++;
    await write(`${safeJson(item)}\n`);
  }
  return count;
}
