import { deflateRawSync } from 'node:zlib';
import { Inflation } from '../../../core/websocket/inflation.ts';
import type { FuzzTarget } from '../target.ts';

/** A bomb of a few KiB would else hold up a run of a million inputs. Bytes. */
const MOST_OUTPUT = 64 * 1024 * 1024;
/** Messages that may be on their way through the thread pool before one counts as lost. */
const MOST_UNDER_WAY = 20_000;
/** Of the inputs; each takes a turn of the thread pool. */
const SHARE = 0.2;

const state = { underWay: 0 };

/** What a sender of permessage-deflate makes of a text: without the four bytes that end each flush. */
function deflated(text: string): Buffer {
  return deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);
}

const target: FuzzTarget = {
  name: 'WebSocket inflation',
  inputs: [deflated('hello hello hello hello'), deflated(JSON.stringify({ a: 'b'.repeat(500), c: [1, 2, 3] })), deflated(''), deflateRawSync('a last block')],
  parse(input, random) {
    if (random() > SHARE) return;
    let faults = 0;
    let given = 0;
    const inflation = new Inflation({ takeover: random() < 0.5, windowBits: 8 + Math.floor(random() * 8) }, () => faults++, () => {});
    const cut = Math.floor(random() * input.length);
    for (const part of [input.subarray(0, cut), input.subarray(cut)]) {
      inflation.begin({ write: (chunk) => (given += chunk.length) >= 0 }, random() < 0.9);
      if (part.length > 0) inflation.write(part);
      state.underWay++;
      let ended = false;
      inflation.end(random() < 0.9, () => {
        state.underWay--;
        if (ended || faults > 1 || given > MOST_OUTPUT) throw new Error(`ended twice, ${faults} faults, or ${given} bytes`);
        ended = true;
      });
    }
    inflation.close();
    if (state.underWay > MOST_UNDER_WAY) throw new Error('messages do not end');
  },
};
export default target;
