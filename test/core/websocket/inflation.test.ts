/** Compressed messages that no library sends: bombs, broken streams, last blocks, slow sinks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, deflateRawSync, createDeflateRaw } from 'node:zlib';
import { Direction, type DirectionOwner } from '../../../core/websocket/direction.ts';
import { Inflation } from '../../../core/websocket/inflation.ts';
import { soon, until } from '../../stage/wire.ts';

const AGREED = { takeover: true, windowBits: 15 };

function compressed(text: string | Buffer, finishFlush = constants.Z_SYNC_FLUSH): Buffer {
  const bytes = deflateRawSync(text, { finishFlush });
  return finishFlush === constants.Z_SYNC_FLUSH ? bytes.subarray(0, -4) : bytes;
}

class Rig {
  readonly faults: string[] = [];
  drains = 0;
  readonly inflation: Inflation;

  constructor(agreed = AGREED) {
    this.inflation = new Inflation(agreed, (reason) => this.faults.push(reason), () => this.drains++);
  }

  /** A message in the chunks given; what its sink got, and whether that was all. */
  message(chunks: readonly Buffer[], compress = true, whole = true): Promise<{ text: string; whole: boolean }> {
    const got: Buffer[] = [];
    this.inflation.begin({ write: (chunk) => got.push(chunk) > 0 }, compress);
    for (const chunk of chunks) this.inflation.write(chunk);
    return soon('the end of a message', new Promise((resolve) => this.inflation.end(whole, (all) => resolve({ text: Buffer.concat(got).toString('latin1'), whole: all }))));
  }
}

test('messages come in their order, those that are not compressed among them', async () => {
  const rig = new Rig();
  const order: string[] = [];
  const all = ['one', 'two', 'three', 'four'].map((text, i) => rig.message([i % 2 === 0 ? compressed(text) : Buffer.from(text)], i % 2 === 0).then((came) => void order.push(came.text)));
  await Promise.all(all);
  assert.deepEqual(order, ['one', 'two', 'three', 'four']);
  assert.ok(rig.drains > 0);
});

test('a message may refer to those before it', async () => {
  const deflate = createDeflateRaw();
  const next = (text: string): Promise<Buffer> => new Promise((resolve) => {
    const parts: Buffer[] = [];
    const take = (part: Buffer): void => void parts.push(part);
    deflate.on('data', take).write(text);
    deflate.flush(constants.Z_SYNC_FLUSH, () => {
      deflate.off('data', take);
      resolve(Buffer.concat(parts).subarray(0, -4));
    });
  });
  const rig = new Rig();
  const text = 'a text that has nothing twice: 0123456789';
  const [first, second] = [await next(text), await next(text)];
  assert.ok(second.length < first.length / 2);
  assert.equal((await rig.message([first])).text, text);
  assert.equal((await rig.message([second])).text, text);
});

test('a last block ends a message, and the next begins anew', async () => {
  const rig = new Rig();
  for (const text of ['one', 'two']) assert.deepEqual(await rig.message([compressed(text, constants.Z_FINISH), Buffer.from([0])]), { text, whole: true });
  assert.deepEqual(await rig.message([compressed('three')]), { text: 'three', whole: true });
  assert.deepEqual(rig.faults, []);
});

test('a bomb is cut, and what follows is given as it came', async () => {
  const rig = new Rig();
  const bomb = compressed(Buffer.alloc(40 * 1024 * 1024));
  const cut = await rig.message([bomb.subarray(0, 1000), bomb.subarray(1000)]);
  assert.ok(!cut.whole && cut.text.length < 32 * 1024 * 1024, `${cut.text.length} bytes came out of ${bomb.length}`);
  assert.match(rig.faults[0]!, /grows more than/);
  const after = compressed('after');
  assert.deepEqual(await rig.message([after]), { text: after.toString('latin1'), whole: true });
  assert.equal(rig.faults.length, 1);
});

test('a message that cannot be undone is cut, in its midst or at its end', async () => {
  for (const bytes of [Buffer.from([0xff, 0xff, 0xff]), Buffer.concat([compressed('fine so far '), Buffer.from([0xff, 0xff, 0xff, 0xff])])]) {
    const rig = new Rig();
    const { whole } = await rig.message([bytes, Buffer.from('more of it')]);
    assert.equal(whole, false);
    assert.match(rig.faults[0]!, /cannot be undone/);
    assert.deepEqual(await rig.message([Buffer.from('plain')], false), { text: 'plain', whole: true });
  }
});

test('a message that was broken off gives what there is of it', async () => {
  const rig = new Rig();
  const bytes = compressed('first half, ' + 'second half. '.repeat(1000) + Array.from({ length: 500 }, (_, i) => i * 7919).join(' '));
  const { text, whole } = await rig.message([bytes.subarray(0, bytes.length - 100)], true, false);
  assert.equal(whole, false);
  assert.match(text, /^first half, second half\. /);
});

test('a sink that asks for a pause gets no more until it is resumed, and its message ends after it has all', async () => {
  const rig = new Rig();
  let size = 0;
  let ended = false;
  rig.inflation.begin({ write: (chunk) => { size += chunk.length; return false; } }, true);
  const total = 2 * 1024 * 1024;
  rig.inflation.write(compressed(Buffer.alloc(total)));
  rig.inflation.end(true, () => (ended = true));
  await until('the first chunk', () => size > 0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const held = size;
  assert.ok(held < total / 2 && !ended, `${held} bytes`);
  for (let turns = 0; turns < 10_000 && !ended; turns++) {
    rig.inflation.resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([ended, size], [true, total]);
});

test('empty messages that come faster than they are undone hold their sender, recorded or only observed', async () => {
  let told = 0;
  let released = 0;
  const watch = { write: () => {}, end: () => told++, drop: () => {} } as unknown as DirectionOwner['watch'];
  const owner: DirectionOwner = { settings: null, watch, released: () => void released++, message: () => {}, control: () => {}, fault: () => {} };
  const direction = new Direction('server', owner, AGREED);
  const empty = Buffer.from([0xc1, 0x00]);
  // Without a window there is nothing to wait for.
  direction.read(Buffer.from([0xc1, 0x01, 0x00]));
  direction.read(Buffer.concat(Array<Buffer>(63).fill(empty)));
  assert.equal(direction.isHeld, false);
  direction.read(empty);
  assert.equal(direction.isHeld, true);
  await until('room', () => released > 0 && !direction.isHeld);
  direction.finish();
  await until('all of them', () => told === 65);
});
