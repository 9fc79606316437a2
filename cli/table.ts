/** A table in the terminal's width. Widths are those of the first rows, so that the table can grow without end. */
import { styleText } from 'node:util';
import { visible, write } from './output.ts';

type Style = Parameters<typeof styleText>[0];

export interface Column<Item> {
  readonly title: string;
  text(item: Item): string;
  style?(item: Item): Style | undefined;
  readonly alignRight?: boolean;
}

const FIRST_ROWS = 200;
const GAP = '  ';
/** A column other than the last takes at most so many characters. */
const MAX_WIDTH = 40;

/** Writes the rows as they come and returns their number. Off a terminal nothing is cut and nothing coloured. */
export async function writeTable<Item>(columns: readonly Column<Item>[], items: AsyncIterable<Item> | Iterable<Item>): Promise<number> {
  const first: Item[] = [];
  let widths: number[] | undefined;
  let count = 0;
  const flush = async (): Promise<void> => {
    if (first.length === 0) return;
    widths = columns.map((column) => Math.min(MAX_WIDTH, Math.max(column.title.length, ...first.map((item) => displayWidth(visible(column.text(item)))))));
    await write(row(columns.map((column) => ({ text: column.title, style: 'bold' as Style, right: column.alignRight })), widths));
    for (const item of first.splice(0)) await writeItem(item);
  };
  const writeItem = (item: Item): Promise<void> =>
    write(row(columns.map((column) => ({ text: visible(column.text(item)), style: column.style?.(item), right: column.alignRight })), widths!));
  for await (const item of items) {
    count++;
    if (widths !== undefined) await writeItem(item);
    else if (first.push(item) === FIRST_ROWS) await flush();
  }
  await flush();
  return count;
}

interface Cell {
  readonly text: string;
  readonly style: Style | undefined;
  readonly right: boolean | undefined;
}

function row(cells: readonly Cell[], widths: readonly number[]): string {
  const terminal = process.stdout.isTTY ? process.stdout.columns : Infinity;
  let left = terminal;
  let line = '';
  cells.forEach((cell, i) => {
    if (left <= 0) return;
    const isLast = i === cells.length - 1;
    const room = isLast ? left : Math.min(left, widths[i]!);
    const text = process.stdout.isTTY ? cut(cell.text, room) : cell.text;
    const padding = ' '.repeat(Math.max(0, Math.min(room, widths[i]!) - displayWidth(text)));
    const shown = cell.style === undefined ? text : styleText(cell.style, text, { stream: process.stdout });
    line += cell.right ? padding + shown : isLast ? shown : shown + padding;
    if (!isLast) line += GAP.slice(0, Math.max(0, Math.min(GAP.length, left - room)));
    left -= room + GAP.length;
  });
  return `${line.trimEnd()}\n`;
}

function cut(text: string, room: number): string {
  if (displayWidth(text) <= room) return text;
  let width = 1;
  let kept = '';
  for (const char of text) {
    width += charWidth(char);
    if (width > room) break;
    kept += char;
  }
  return `${kept}…`;
}

/** Cells that a text takes; right for all but rare scripts. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

function charWidth(char: string): number {
  if (/\p{M}/u.test(char)) return 0;
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u.test(char) ? 2 : 1;
}
