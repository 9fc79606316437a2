/** What a protocol adds to the record of its flow: it watches what passes, and is asked when the flow is over. */
import type { RecordParts } from '../record-parts.ts';

export interface RecordPart {
  /** Called once, when nothing more passes. Calls back in the same turn unless there is a file to complete. */
  finish(done: (parts: RecordParts) => void): void;
}

/** A part that is known already. */
export function readyPart(parts: RecordParts): RecordPart {
  return { finish: (done) => done(parts) };
}

/** Asks all parts and calls back with what they have together. */
export function finishParts(parts: readonly RecordPart[], done: (all: RecordParts) => void): void {
  const all: RecordParts = {};
  let left = parts.length;
  if (left === 0) return done(all);
  for (const part of parts) {
    part.finish((own) => {
      Object.assign(all, own);
      if (--left === 0) done(all);
    });
  }
}
