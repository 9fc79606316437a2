import { EventGrammar } from '../../../core/streams/event-grammar.ts';
import { LineGrammar } from '../../../core/streams/line-grammar.ts';
import type { FuzzTarget } from '../target.ts';
import { inPieces } from '../pieces.ts';

/** However the input is cut, the same comes out. */
const target: FuzzTarget = {
  name: 'event streams and lines',
  inputs: [
    Buffer.from('\ufeffid: 1\nevent: delta\ndata: {"a":1}\ndata:two\n\n: ping\n\ndata\r\n\r\nretry: 5\rdata:  x\r\r'),
    Buffer.from('{"a":1}\n{"b":2}\r\n\n{"c":3}'),
    Buffer.from('\x1e{"a":\n1}\n\x1e{"b":2}\n'),
  ],
  parse(input, random) {
    for (const read of [events, lines('line-end'), lines('record-separator')]) {
      const whole = read([input]);
      const pieces = read(inPieces(input, random));
      if (whole !== pieces) throw new Error(`in pieces ${pieces}, whole ${whole}`);
      if (whole.length > 12 * input.length + 64) throw new Error(`${input.length} bytes gave ${whole.length}`);
    }
  },
};
export default target;

function events(pieces: readonly Buffer[]): string {
  let text = '';
  let data = '';
  const grammar = new EventGrammar({
    data: (bytes) => (data += bytes.toString('latin1')),
    event(type, id) {
      text += `${type}|${id}|${data}\n`;
      data = '';
    },
  });
  for (const piece of pieces) grammar.write(piece);
  return text;
}

function lines(separatedBy: 'line-end' | 'record-separator'): (pieces: readonly Buffer[]) => string {
  return (pieces) => {
    let text = '';
    const grammar = new LineGrammar(separatedBy, { data: (bytes) => (text += bytes.toString('latin1')), line: () => (text += '|\n') });
    for (const piece of pieces) grammar.write(piece);
    grammar.end();
    return text;
  };
}
