import { deflateOf } from '../../../core/websocket/extensions.ts';
import type { FuzzTarget } from '../target.ts';

const target: FuzzTarget = {
  name: 'WebSocket extensions',
  inputs: ['permessage-deflate; server_no_context_takeover; client_max_window_bits="10"', 'x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8', ''].map((text) => Buffer.from(text)),
  parse(input) {
    const agreed = deflateOf(input.toString('latin1'));
    for (const { windowBits } of agreed ? [agreed.client, agreed.server] : []) if (windowBits < 8 || windowBits > 15) throw new Error(`a window of ${windowBits} bits`);
  },
};
export default target;
