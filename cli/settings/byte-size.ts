/** Sizes as people write them: `65536`, `"64KiB"`, `"1.5 GB"`. */

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** In words, for messages. */
export const BYTE_SIZE_FORM = 'a number of bytes or a size such as "64KiB", "1MiB" or "2GB"';

/** Whole bytes, or undefined where the text is no size. */
export function parseByteSize(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const parts = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)?$/.exec(value.trim());
  if (!parts) return undefined;
  const unit = UNITS[parts[2] ?? 'B'];
  if (unit === undefined) return undefined;
  const bytes = Math.round(Number(parts[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
