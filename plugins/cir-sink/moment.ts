import { MentuError } from '../../core/index.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 604_800e3 };

/**
 * A point in time as people give it: how long ago (`90s`, `15m`, `24h`, `7d`, `2w`), a date
 * (`2026-03-01`, its first moment in UTC), or an RFC 3339 time. Throws `bad_time`.
 */
export function parseMoment(text: string, now = Date.now()): Date {
  const ago = /^(\d+)([smhdw])$/.exec(text.trim());
  const isDate = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/i.test(text.trim());
  const time = ago !== null ? now - Number(ago[1]) * UNITS[ago[2]!]! : isDate ? Date.parse(text.trim()) : NaN;
  const moment = new Date(time);
  // Years beyond 9999 and before 0 would not sort as text.
  if (Number.isNaN(time) || !/^\d{4}-/.test(safeIso(moment))) throw new MentuError('bad_time', { text });
  return moment;
}

function safeIso(moment: Date): string {
  return Number.isNaN(moment.getTime()) ? '' : moment.toISOString();
}
