import { QpackDecoder } from '../../../core/http3/qpack-decoder.ts';
import { Http3ConnectionError } from '../../../core/http3/error-code.ts';
import { OUR_LIMITS } from '../../../core/http3/settings.ts';
import { TableEncoder } from '../../core/http3/table-encoder.ts';
import { randomFrom } from '../mutation.ts';
import type { FuzzTarget } from '../target.ts';

/** An input is a byte that says how long the encoder stream is, that stream, and a section. */
function input(instructions: Buffer, section: Buffer): Buffer {
  return Buffer.concat([Buffer.from([instructions.length]), instructions, section]);
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const encoder = new TableEncoder(220);
const random = randomFrom(3);
const encoded = ['/a', '/b', '/a'].map((path) => encoder.encode([':path', path, 'x-own', 'value'], random));

const target: FuzzTarget = {
  name: 'QPACK',
  inputs: [
    input(hex('3fbd01 c00f 7777772e6578616d706c652e636f6d c10c 2f73616d706c652f70617468'), hex('0381 10 11')),
    input(hex('3fbd01 4a 637573746f6d2d6b6579 0c 637573746f6d2d76616c7565 00'), hex('0300 80 81 c1')),
    input(hex(''), hex('0000 51 88 f1e3c2e5f23a6ba0ab 2f 01 25a849e95ba97d7f 88 25a849e95bb8e8b4bf')),
    ...encoded.map(({ section }, at) => input(Buffer.concat([encoder.open(), ...encoded.slice(0, at + 1).map(({ instructions }) => instructions)]), section)),
  ],
  parse(bytes, random) {
    const decoder = new QpackDecoder({ ...OUR_LIMITS, capacity: 256, sectionSize: 4096 }, () => {});
    const end = 1 + (bytes[0] ?? 0);
    const cut = 1 + Math.floor(random() * end);
    try {
      decoder.readEncoderStream(bytes.subarray(1, cut));
      decoder.decode(0, bytes.subarray(end), () => {});
      decoder.readEncoderStream(bytes.subarray(cut, end));
      decoder.cancel(0);
    } catch (error) {
      if (!(error instanceof Http3ConnectionError)) throw error;
    }
  },
};
export default target;
