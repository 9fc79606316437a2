/** The file of a job's packets: what stands where, what bounds it, and what tshark reads of it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PacketFile } from '../../../cli/packets/packet-file.ts';
import type { MentuError } from '../../../core/index.ts';
import type { PacketsEnd } from '../../../plugins/engines/engine.ts';
import { tshark } from '../../e2e/stage/tshark.ts';
import { until } from '../../stage/wire.ts';
import { blocksOf, frame, pcapHead, pcapPacket, secretsOf } from './capture-bytes.ts';

const KEYS = ['CLIENT_RANDOM aa bb\n', 'CLIENT_RANDOM cc dd\n', 'CLIENT_RANDOM ee ff\n'] as const;
const TIME = 1_800_000_000_123_456_789n;
const GONE: PacketsEnd = { dropped: 0, failure: null };

class Scene {
  readonly path: string;
  readonly warnings: MentuError[] = [];
  readonly file: PacketFile;

  constructor(context: TestContext, limit = 1024 ** 3) {
    const folder = mkdtempSync(join(tmpdir(), 'packet-file-'));
    context.after(() => rmSync(folder, { recursive: true }));
    this.path = join(folder, 'traffic.pcapng');
    this.file = new PacketFile({ path: this.path, limit, warn: (error) => this.warnings.push(error) });
  }

  /** A guest, and what ends it. */
  guest(): { stream: PassThrough; end: (end?: PacketsEnd) => Promise<void> } {
    const stream = new PassThrough();
    const { promise, resolve } = Promise.withResolvers<PacketsEnd>();
    const followed = this.file.follow({ stream, ended: promise });
    stream.write(pcapHead());
    const end = async (how = GONE): Promise<void> => {
      stream.end();
      await until('all is read', () => stream.readableEnded);
      resolve(how);
      await followed;
    };
    return { stream, end };
  }

  get blocks(): ReturnType<typeof blocksOf> {
    return blocksOf(readFileSync(this.path));
  }
}

test('keys stand before the packets that they came with, also where they came a moment later', async (context) => {
  const scene = new Scene(context);
  const { stream, end } = scene.guest();
  scene.file.addKeys(KEYS[0]);
  stream.write(pcapPacket([TIME, frame('one')]));
  await pause(100);
  scene.file.addKeys(KEYS[1]);
  await until('the packet is written', () => scene.blocks.length > 3);
  stream.write(pcapPacket([TIME + 1n, frame('two')]));
  await end();
  scene.file.addKeys(KEYS[2]);
  await scene.file.close();
  const { blocks } = scene;
  assert.deepEqual(blocks.map(({ type }) => type), ['section', 'secrets', 'interface', 'packet', 'secrets', 'packet']);
  assert.deepEqual(blocks.filter(({ type }) => type === 'secrets').map(secretsOf), [KEYS[0] + KEYS[1], KEYS[2]]);
  assert.equal(statSync(scene.path).mode & 0o777, 0o600);
  assert.deepEqual(scene.warnings, []);
});

test('keys without packets are bounded too: they go to the file, which has its limit', async (context) => {
  const scene = new Scene(context, 3 * 1024 ** 2);
  const { end } = scene.guest();
  await end({ dropped: 0, failure: 'tcpdump was ended' });
  const line = `CLIENT_RANDOM ${'a'.repeat(64)} ${'b'.repeat(96)}\n`;
  for (let count = 0; count < 30_000; count++) scene.file.addKeys(line);
  await until('they are written', () => statSync(scene.path).size > 2 * 1024 ** 2);
  await scene.file.close();
  assert.ok(statSync(scene.path).size <= 3 * 1024 ** 2);
  assert.ok(scene.blocks.some(({ type }) => type === 'secrets'));
  assert.match(scene.warnings.at(-1)!.message, /has reached the limit/);
});

test('tshark reads times to the nanosecond, packets that were cut, and each guest as an interface', async (context) => {
  const scene = new Scene(context);
  const first = scene.guest();
  const long = frame('x'.repeat(1001));
  first.stream.write(Buffer.concat([pcapPacket([TIME, frame('odd')]), pcapPacket([4_294_967_295_999_999_999n, long.subarray(0, 101)], long.length)]));
  await first.end({ dropped: 3, failure: null });
  const next = scene.guest();
  next.stream.write(pcapPacket([TIME + 7n, frame('from the second')]));
  await next.end();
  await scene.file.close();
  assert.deepEqual(tshark(scene.path, 'frame', ['frame.time_epoch', 'frame.interface_id', 'frame.cap_len', 'frame.len', 'frame.interface_name']), [
    ['1800000000.123456789', '0', '45', '45', 'eth0'],
    ['4294967295.999999999', '0', '101', `${long.length}`, 'eth0'],
    ['1800000000.123456796', '1', '57', '57', 'eth0'],
  ]);
  assert.deepEqual(scene.blocks.map(({ type }) => type), ['section', 'interface', 'packet', 'packet', 'statistics', 'interface', 'packet']);
  assert.deepEqual(scene.warnings.map(({ code, params }) => [code, params['reason']]), [['packets_incomplete', '3 were dropped, for they were not taken in time']]);
});

test('the file is bounded: what is beyond is read and let go, and said once', async (context) => {
  const scene = new Scene(context, 100_000);
  const { stream, end } = scene.guest();
  const packet = pcapPacket([TIME, frame('x'.repeat(1000))]);
  for (let count = 0; count < 1000; count++) if (!stream.write(packet)) await until('it is read', () => stream.writableLength === 0);
  await end();
  await scene.file.close();
  const size = statSync(scene.path).size;
  assert.ok(size > 98_000 && size <= 100_000, `${size}`);
  assert.equal(scene.blocks.at(-1)!.type, 'packet');
  assert.deepEqual(scene.warnings.map(({ message }) => message), [`The packet capture ${scene.path} lacks packets: it has reached the limit of 100000 bytes.`]);
});

test('packets of many sizes, in chunks of any size, come out as they went in', async (context) => {
  const scene = new Scene(context);
  const { stream, end } = scene.guest();
  const sent = Array.from({ length: 300 }, (_, index) => frame('y'.repeat((index * index * 7) % 65_000)));
  const bytes = Buffer.concat(sent.map((data, index) => pcapPacket([TIME + BigInt(index), data])));
  for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 3) % 100_003) if (!stream.write(bytes.subarray(at, at + step))) await until('it is read', () => stream.writableLength === 0);
  await end();
  await scene.file.close();
  const written = scene.blocks.filter(({ type }) => type === 'packet').map(({ body }) => body.subarray(20, 20 + body.readUInt32LE(12)));
  assert.ok(Buffer.concat(written).equals(Buffer.concat(sent)));
});

test('what is no capture ends the file and nothing else; a capture that broke off is told', async (context) => {
  const scene = new Scene(context);
  const { stream, end } = scene.guest();
  stream.write(pcapPacket([TIME, frame('good')]));
  stream.write(Buffer.alloc(64, 0xff));
  await end({ dropped: 0, failure: 'tcpdump was ended' });
  await scene.file.close();
  assert.deepEqual(scene.warnings.map(({ params }) => params['reason']), ['a packet of 4294967295 bytes', 'tcpdump was ended']);
  blocksOf(readFileSync(scene.path));
});

test('a file that is there already is left alone', (context) => {
  const scene = new Scene(context);
  const path = `${scene.path}.old`;
  writeFileSync(path, 'mine');
  assert.throws(() => new PacketFile({ path, limit: 1, warn: () => {} }), { code: 'record_not_writable' });
  assert.equal(readFileSync(path, 'utf8'), 'mine');
  return scene.file.close();
});
