/** The few numbers that sum up a row of others. */

/** NaN where there are none. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Between the two nearest values in proportion; `p` from 0 to 100. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = ((sorted.length - 1) * p) / 100;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  return low === undefined || high === undefined ? Number.NaN : low + (high - low) * (at - Math.floor(at));
}
