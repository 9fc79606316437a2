import { MessageReader, type MessageHandler } from '../../../core/websocket/messages.ts';
import { clientFrame, frameOf, type FrameParts } from '../../core/websocket/frame-bytes.ts';
import type { FuzzTarget } from '../target.ts';

/** Holds what is read against what the contract says. */
class Judge implements MessageHandler {
  readonly looksAtData = true;
  taken = 0;
  #inMessage = false;
  #faults = 0;

  onMessage(): void {
    if (this.#inMessage || this.#faults > 0) throw new Error('a message within a message, or after a fault');
    this.#inMessage = true;
  }

  onData(chunk: Buffer): void {
    if (!this.#inMessage || chunk.length === 0 || this.#faults > 0) throw new Error('data of no message');
    this.taken += chunk.length;
  }

  onMessageEnd(): void {
    if (!this.#inMessage || this.#faults > 0) throw new Error('the end of no message');
    this.#inMessage = false;
  }

  onControl(_opcode: string, payload: Buffer): void {
    if (payload.length > 125 || this.#faults > 0) throw new Error('a control frame that is none');
    this.taken += payload.length;
  }

  onFault(): void {
    if (++this.#faults > 1) throw new Error('a second fault');
  }
}

const conversation: readonly FrameParts[] = [
  { opcode: 1, payload: 'hello' },
  { opcode: 2, payload: Buffer.alloc(300, 7), fin: false },
  { opcode: 9, payload: 'ping' },
  { opcode: 0, payload: Buffer.alloc(1000, 8), lengthBytes: 8 },
  { opcode: 1, payload: 'squeezed', reserved: 4 },
  { opcode: 8, payload: Buffer.from([3, 232, 98, 121, 101]) },
];

const target: FuzzTarget = {
  name: 'WebSocket frames',
  inputs: [Buffer.concat(conversation.map(clientFrame)), Buffer.concat(conversation.map(frameOf)), clientFrame({ opcode: 1, payload: 'a' }), frameOf({ opcode: 8 })],
  parse(input, random) {
    for (const masked of [true, false]) {
      const judge = new Judge();
      const reader = new MessageReader(judge, { masked, deflate: random() < 0.5 });
      for (let at = 0; at < input.length; ) {
        const end = Math.min(input.length, at + 1 + Math.floor(random() * input.length));
        reader.read(input.subarray(at, end));
        at = end;
      }
      if (judge.taken > input.length) throw new Error('more came out than went in');
    }
  },
};
export default target;
