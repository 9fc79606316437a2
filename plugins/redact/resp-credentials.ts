/** Credentials in commands of Redis (RESP), and in what it tells of its settings. */
import { linesOf } from './line-credentials.ts';
import type { Direction, Span } from './span.ts';

/** What follows in a reply is a password. */
const SETTING = /\$\d{1,3}\r\n(?:requirepass|masterauth|tls-key-file-pass|tls-client-key-file-pass)\r\n\$(\d{1,9})\r\n/gi;

export function commandsOf(text: string, direction: Direction): Span[] | null {
  if (direction === 'down') {
    return [...text.matchAll(SETTING)].map(({ index, 0: before, 1: size }) => ({ start: index + before.length, end: index + before.length + Number(size) }));
  }
  const spans: Span[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '*') {
      const lf = text.indexOf('\n', at);
      const next = lf === -1 ? text.length : lf + 1;
      for (const { start, end } of linesOf(text.slice(at, next), 'up', 'redis')) spans.push({ start: at + start, end: at + end });
      at = next;
      continue;
    }
    const command = readCommand(text, at);
    if (command === null) return null;
    spans.push(...secretsOf(text, command.words));
    at = command.end;
  }
  return spans;
}

/** The words of a command, as far as they came; null where it is none. */
function readCommand(text: string, from: number): { words: Span[]; end: number } | null {
  const words: Span[] = [];
  const count = readSize(text, from, '*');
  if (count === null) return null;
  let at = count.end;
  for (let left = count.size; left > 0 && at < text.length; left--) {
    const word = readSize(text, at, '$');
    if (word === null) return null;
    words.push({ start: word.end, end: word.end + word.size });
    at = word.end + word.size + 2;
  }
  return { words, end: at };
}

/** A sign, a number and CR LF; at the very end of the text the number may be cut. */
function readSize(text: string, at: number, sign: string): { size: number; end: number } | null {
  const line = text.slice(at, at + 16);
  const found = /^(.)(\d{1,9})\r\n/.exec(line);
  if (found?.[1] === sign) return { size: Number(found[2]), end: at + found[0].length };
  return at + line.length === text.length && line.startsWith(sign) && /^.\d{0,9}\r?$/.test(line) ? { size: 0, end: text.length } : null;
}

function secretsOf(text: string, words: readonly Span[]): readonly Span[] {
  const word = (index: number): string => (words[index] ? text.slice(words[index].start, words[index].end).toUpperCase() : '');
  const name = word(0);
  if (name === 'AUTH') return words.slice(1);
  if (name === 'CONFIG' && word(1) === 'SET') return words.slice(2).filter((_span, index) => index % 2 === 1 && /PASS|AUTH/.test(word(1 + index)));
  if (name === 'ACL' && word(1) === 'SETUSER') return words.slice(3).filter(({ start }) => /[><#!]/.test(text[start] ?? ''));
  if (name !== 'HELLO' && name !== 'MIGRATE') return [];
  const at = words.findIndex((_span, index) => index > 0 && /^AUTH2?$/.test(word(index)));
  return at === -1 ? [] : words.slice(at + 1, at + 3);
}
