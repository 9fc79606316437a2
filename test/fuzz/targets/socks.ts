import { SocksHandshake } from '../../../core/listener/socks.ts';
import type { FuzzTarget } from '../target.ts';

const greeting = [5, 2, 0, 2];
const inputs = [
  Buffer.from([...greeting, 5, 1, 0, 1, 192, 0, 2, 7, 1, 187, 22, 3, 1]),
  Buffer.from([...greeting, 5, 1, 0, 3, 8, ...Buffer.from('api.test'), 0, 80]),
  Buffer.from([5, 1, 0, 5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 80]),
];

const target: FuzzTarget = {
  name: 'SOCKS5',
  inputs,
  parse(input, random) {
    const handshake = new SocksHandshake();
    for (let at = 0; at < input.length; ) {
      const next = at + 1 + Math.floor(random() * input.length);
      const step = handshake.read(input.subarray(at, next));
      at = next;
      if (step.kind === 'more') continue;
      if (step.kind === 'connect' && (step.destination.port === 0 || step.rest.length > input.length)) throw new Error(JSON.stringify(step));
      return;
    }
  },
};
export default target;
