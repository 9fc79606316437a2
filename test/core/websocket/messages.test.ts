/** Frames by hand, cut in pieces in every way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageReader, type MessageGrammar, type MessageHandler } from '../../../core/websocket/messages.ts';
import { clientFrame, frameOf } from './frame-bytes.ts';

const CLIENT: MessageGrammar = { masked: true, deflate: false };
const SERVER: MessageGrammar = { masked: false, deflate: false };

class Heard implements MessageHandler {
  readonly looksAtData: boolean;
  readonly events: string[] = [];
  #data: Buffer[] = [];

  constructor(looksAtData = true) {
    this.looksAtData = looksAtData;
  }

  onMessage(opcode: string, compressed: boolean): void {
    this.events.push(`${opcode}${compressed ? ' compressed' : ''} begins`);
    this.#data = [];
  }

  onData(chunk: Buffer): void {
    this.#data.push(chunk);
  }

  onMessageEnd(): void {
    const whole = Buffer.concat(this.#data);
    this.events.push(whole.length > 40 ? `${whole.length} bytes` : whole.toString());
  }

  onControl(opcode: string, payload: Buffer): void {
    this.events.push(`${opcode} ${payload.toString()}`);
  }

  onFault(reason: string): void {
    this.events.push(`fault: ${reason}`);
  }
}

function heard(bytes: Buffer, grammar: MessageGrammar, step = bytes.length): string[] {
  const handler = new Heard();
  const reader = new MessageReader(handler, grammar);
  for (let at = 0; at < bytes.length; at += step) reader.read(bytes.subarray(at, at + step));
  return handler.events;
}

test('fragments are joined, with control frames between them, however the bytes are cut', () => {
  const frames = [
    { opcode: 1, payload: 'Hel', fin: false },
    { opcode: 9, payload: 'still there?' },
    { opcode: 0, payload: 'lo, ', fin: false },
    { opcode: 0xa, payload: '' },
    { opcode: 0, payload: 'world' },
    { opcode: 2, payload: '' },
    { opcode: 8, payload: 'xx' },
  ];
  const expected = ['text begins', 'ping still there?', 'pong ', 'Hello, world', 'binary begins', '', 'close xx'];
  for (const step of [1, 2, 3, 5, 7, 1000]) {
    assert.deepEqual(heard(Buffer.concat(frames.map(clientFrame)), CLIENT, step), expected, `client, ${step} at a time`);
    assert.deepEqual(heard(Buffer.concat(frames.map(frameOf)), SERVER, step), expected, `server, ${step} at a time`);
  }
});

test('lengths of all three forms are read, and so is one that is longer than it need be', () => {
  for (const length of [0, 125, 126, 127, 65_535, 65_536, 200_000]) {
    for (const step of [13, 64 * 1024]) {
      assert.deepEqual(heard(clientFrame({ opcode: 2, payload: Buffer.alloc(length, 'a') }), CLIENT, step), ['binary begins', length > 40 ? `${length} bytes` : '']);
    }
  }
  assert.deepEqual(heard(frameOf({ opcode: 1, payload: 'hi', lengthBytes: 8 }), SERVER), ['text begins', 'hi']);
});

test('a mask is undone across chunks of every length', () => {
  const payload = Buffer.from(Array.from({ length: 39 }, (_, i) => 65 + (i % 26)));
  for (let step = 1; step < 50; step++) assert.deepEqual(heard(clientFrame({ opcode: 1, payload }), CLIENT, step), ['text begins', payload.toString()]);
});

test('where nobody looks, payloads are counted and not unmasked; those of control frames are', () => {
  const handler = new Heard(false);
  new MessageReader(handler, CLIENT).read(Buffer.concat([clientFrame({ opcode: 1, payload: Buffer.alloc(50, 'a') }), clientFrame({ opcode: 8, payload: 'xxbye' })]));
  assert.deepEqual(handler.events, ['text begins', '50 bytes', 'close xxbye']);
});

for (const [what, bytes, grammar] of [
  ['a reserved opcode', frameOf({ opcode: 3 }), SERVER],
  ['a reserved control opcode', frameOf({ opcode: 0xb }), SERVER],
  ['a reserved bit', frameOf({ opcode: 1, reserved: 4 }), SERVER],
  ['another reserved bit beside compression', frameOf({ opcode: 1, reserved: 6 }), { masked: false, deflate: true }],
  ['a compressed continuation', Buffer.concat([frameOf({ opcode: 1, fin: false }), frameOf({ opcode: 0, reserved: 4 })]), { masked: false, deflate: true }],
  ['a continuation of nothing', frameOf({ opcode: 0, payload: 'x' }), SERVER],
  ['a message within a message', Buffer.concat([frameOf({ opcode: 1, payload: 'x', fin: false }), frameOf({ opcode: 1 })]), SERVER],
  ['a fragmented ping', frameOf({ opcode: 9, fin: false }), SERVER],
  ['a long ping', frameOf({ opcode: 9, payload: 'x'.repeat(126) }), SERVER],
  ['a masked frame of a server', clientFrame({ opcode: 1, payload: 'x' }), SERVER],
  ['a frame of a client without a mask', frameOf({ opcode: 1, payload: 'x' }), CLIENT],
  ['a length with its highest bit', Buffer.from([0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0]), SERVER],
] as const) {
  test(`${what} is a fault, and nothing after it is read`, () => {
    const after = frameOf({ opcode: 1, payload: 'after', mask: grammar.masked ? [1, 2, 3, 4] : null });
    const events = heard(Buffer.concat([bytes, after]), grammar);
    assert.match(events.at(-1)!, /^fault: /);
    assert.equal(events.filter((event) => event.startsWith('fault')).length, 1);
  });
}

test('a compressed message is told from one that is not', () => {
  assert.deepEqual(heard(Buffer.concat([frameOf({ opcode: 1, payload: 'a', reserved: 4 }), frameOf({ opcode: 2, payload: 'b' })]), { masked: false, deflate: true }), ['text compressed begins', 'a', 'binary begins', 'b']);
});
