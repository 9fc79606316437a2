import { Base64Segments } from '../../../core/streams/base64-segments.ts';
import { GrpcFrames } from '../../../core/streams/grpc-frames.ts';
import type { FuzzTarget } from '../target.ts';
import { inPieces } from '../pieces.ts';

const messages = Buffer.concat([Buffer.from([0, 0, 0, 0, 3]), Buffer.from('abc'), Buffer.from([1, 0, 0, 0, 0]), Buffer.from([0, 0, 0, 1, 0]), Buffer.alloc(256, 'x')]);
const trailers = Buffer.concat([Buffer.from([0x80, 0, 0, 0, 15]), Buffer.from('grpc-status: 0\n')]);

/** However the input is cut, the same comes out, and no more than went in. */
const target: FuzzTarget = {
  name: 'gRPC framing',
  inputs: [messages, Buffer.concat([messages, trailers]), Buffer.from(messages.toString('base64') + trailers.toString('base64'))],
  parse(input, random) {
    for (const web of [false, true]) {
      for (const text of [false, true]) {
        const whole = read([input], web, text);
        const pieces = read(inPieces(input, random), web, text);
        if (whole !== pieces) throw new Error(`in pieces ${pieces}, whole ${whole}`);
      }
    }
  },
};
export default target;

function read(pieces: readonly Buffer[], web: boolean, text: boolean): string {
  let shown = '';
  let left = 0;
  const frames = new GrpcFrames(web, {
    begin(compressed, isTrailers, length) {
      left = length;
      shown += `${compressed} ${isTrailers} ${length}: `;
    },
    data(bytes) {
      left -= bytes.length;
      if (bytes.length === 0 || left < 0) throw new Error(`${bytes.length} bytes, ${left} left`);
      shown += bytes.toString('hex');
    },
    end() {
      if (left !== 0) throw new Error(`${left} bytes are missing`);
      shown += '\n';
    },
  });
  const segments = text ? new Base64Segments((bytes) => frames.write(bytes)) : null;
  for (const piece of pieces) (segments ?? frames).write(piece);
  (segments ?? frames).end();
  // How much is read before a fault of the text depends on where it is cut; that there is one does not.
  return segments?.fault ?? `${shown}${frames.fault}`;
}
