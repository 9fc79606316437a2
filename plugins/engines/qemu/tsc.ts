/**
 * The rate of the processor's time-stamp counter. QEMU's own translation (TCG) lets the guest read the host's counter,
 * and its smallest board has no other timer to measure it by: what the guest's kernel is not told, it guesses, and its
 * clock runs wrong.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { LibC } from '../libc.ts';

const INTERVAL_MS = 50;
const SAMPLES = 16;

interface Instant {
  readonly ticks: bigint;
  readonly nanoseconds: bigint;
}

/** In ticks a millisecond, to a few parts in a million. Null where the counter cannot be read; takes some 50 ms. */
export async function measureTscKhz(): Promise<number | null> {
  if (process.arch !== 'x64') return null;
  try {
    const read = (await LibC.load()).timestampCounter();
    const start = instant(read);
    await pause(INTERVAL_MS);
    const end = instant(read);
    return Math.round((Number(end.ticks - start.ticks) * 1e6) / Number(end.nanoseconds - start.nanoseconds));
  } catch {
    return null;
  }
}

/** The reading between the two closest looks at the clock. */
function instant(read: () => bigint): Instant {
  let best: Instant | null = null;
  let closest = 0n;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const before = process.hrtime.bigint();
    const ticks = read();
    const after = process.hrtime.bigint();
    if (best !== null && after - before >= closest) continue;
    closest = after - before;
    best = { ticks, nanoseconds: (before + after) / 2n };
  }
  return best!;
}
