/** Times as people write them: `90` (seconds), `"90s"`, `"1h30m"`, `"1.5h"`, `"500ms"`. */

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** What a timer of Node can wait for, in whole days. */
const MAX = 24 * UNITS['d']!;

/** In words, for messages. */
export const DURATION_FORM = 'a number of seconds or a time such as "90s", "5m" or "1h30m", of 24 days at most';

/** Whole milliseconds, or undefined where the text is no time. Each unit may come once, the longer before the shorter. */
export function parseDuration(value: number | string): number | undefined {
  const text = String(value).trim();
  const plain = /^\d+(?:\.\d+)?$/.test(text);
  const parts = plain ? [[text, text, 's']] : [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g)];
  if (parts.length === 0 || (!plain && parts.map(([part]) => part).join('') !== text)) return undefined;
  let sum = 0;
  let last = Infinity;
  for (const [, number, name] of parts) {
    const unit = UNITS[name!]!;
    if (unit >= last) return undefined;
    last = unit;
    sum += Number(number) * unit;
  }
  return sum <= MAX ? Math.ceil(sum) : undefined;
}

/** `1h30m`, `1.5s`: the shortest text that reads back as the same time. */
export function durationText(milliseconds: number): string {
  let rest = milliseconds;
  let text = '';
  for (const [name, unit] of Object.entries(UNITS)) {
    const whole = Math.floor(rest / unit);
    if (whole === 0) continue;
    text += `${whole}${name}`;
    rest -= whole * unit;
  }
  return text || '0s';
}
