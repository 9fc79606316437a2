import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EventGrammar } from '../../../core/streams/event-grammar.ts';

type Event = [type: string, data: string, id: string | null];

/** The events of a stream that comes in pieces of so many bytes. */
function eventsOf(text: string | Buffer, piece = Infinity): Event[] {
  const events: Event[] = [];
  const parts: Buffer[] = [];
  const grammar = new EventGrammar({
    data: (bytes) => void parts.push(Buffer.from(bytes)),
    event: (type, id) => void events.push([type, Buffer.concat(parts.splice(0)).toString(), id]),
  });
  const bytes = Buffer.from(text);
  const size = Math.min(piece, Math.max(bytes.length, 1));
  for (let at = 0; at < bytes.length; at += size) grammar.write(bytes.subarray(at, at + size));
  return events;
}

const CASES: readonly (readonly [what: string, text: string | Buffer, events: Event[]])[] = [
  ['one event', 'data: hello\n\n', [['message', 'hello', null]]],
  ['data of several lines', 'data: a\ndata: b\ndata:\ndata: c\n\n', [['message', 'a\nb\n\nc', null]]],
  ['type and id', 'event: delta\nid: 7\ndata: {"x":1}\n\n', [['delta', '{"x":1}', '7']]],
  ['CR and CRLF', 'data: a\r\rdata: b\r\n\r\ndata: c\n\r', [['message', 'a', null], ['message', 'b', null], ['message', 'c', null]]],
  ['CRLF between the lines of one event', 'event: x\r\ndata: a\r\ndata: b\r\n\r\n', [['x', 'a\nb', null]]],
  ['a byte order mark', Buffer.from('\ufeffdata: a\n\n'), [['message', 'a', null]]],
  ['a byte order mark that is only half one', Buffer.concat([Buffer.from([0xef, 0xbb]), Buffer.from('data: a\n\ndata: b\n\n')]), [['message', 'b', null]]],
  ['a second byte order mark', Buffer.from('\ufeff\ufeffdata: a\n\ndata: b\n\n'), [['message', 'b', null]]],
  ['one space is left out, no more', 'data:  a\n\ndata:b\n\n', [['message', ' a', null], ['message', 'b', null]]],
  ['comments and fields that nobody knows', ': ping\n\nretry: 10\nfoo: bar\ndatabase: x\nDATA: y\n\n: ping\ndata: a\n\n', [['message', 'a', null]]],
  ['a field without a colon', 'data\n\nevent\ndata\ndata\n\n', [['message', '', null], ['message', '\n', null]]],
  ['a type without data is no event, and not that of the next', 'event: x\n\ndata: a\n\n', [['message', 'a', null]]],
  ['the last type counts, an id with NUL does not', 'event: x\nevent: y\nid: a\0b\ndata: 1\n\n', [['y', '1', null]]],
  ['an empty id', 'id\ndata: a\n\n', [['message', 'a', '']]],
  ['colons in the value', 'data: a:b: c\n\n', [['message', 'a:b: c', null]]],
  ['more than one byte a character', 'event: größe\ndata: 漢字 🎉\n\n', [['größe', '漢字 🎉', null]]],
  ['what is not ended is none', 'data: a\n\ndata: b\n', [['message', 'a', null]]],
  ['nothing', '', []],
];

describe('event streams', () => {
  for (const [what, text, events] of CASES) {
    test(what, () => {
      for (const piece of [Infinity, 1, 2, 3, 7]) assert.deepEqual(eventsOf(text, piece), events, `in pieces of ${piece}`);
    });
  }

  test('a type or id of any length costs no memory, and the data are all there', () => {
    const [event] = eventsOf(`event: ${'x'.repeat(1e6)}\nid: ${'y'.repeat(1e6)}\ndata: ${'z'.repeat(1e6)}\n\n`, 4096);
    assert.deepEqual([event![0].length, event![1].length, event![2]!.length], [1024, 1e6, 1024]);
  });
});
