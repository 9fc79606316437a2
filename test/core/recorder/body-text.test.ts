import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Headers } from '../../../core/headers.ts';
import { BodyReader, type BodyText } from '../../../core/recorder/body-text.ts';

const LIMIT = 1024 * 1024;

function read(bytes: Buffer, headers: [string, string][], cut = false, limit = LIMIT): Promise<BodyText & { now: boolean }> {
  return new Promise((resolve) => {
    let now = true;
    new BodyReader(limit).read(bytes, Headers.from(headers), cut, (text) => resolve({ ...text, now }));
    now = false;
  });
}

const encoders = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync } as const;
const coding = (name: string): [string, string][] => [['Content-Encoding', name]];

test('text without a coding is text, at once', async () => {
  assert.deepEqual(await read(Buffer.from('{"ü":1}'), [['content-type', 'application/json']]), {
    body: '{"ü":1}', body_encoding: 'utf8', body_decoded: [], cut: false, now: true,
  });
});

test('bytes that are no text are base64, whatever their type claims', async () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d', 'hex');
  for (const type of ['image/png', 'text/plain', 'application/json; charset=utf-8']) {
    const text = await read(png, [['content-type', type]]);
    assert.equal(text.body_encoding, 'base64');
    assert.ok(Buffer.from(text.body, 'base64').equals(png));
  }
  assert.equal((await read(Buffer.from('a\0b'), [])).body_encoding, 'base64', 'UTF-8 with a NUL is no text');
});

for (const [name, encode] of Object.entries(encoders)) {
  test(`${name} is undone: small bodies at once, large ones in the thread pool`, async () => {
    const small = await read(encode(Buffer.from('grüße')), coding(name));
    assert.deepEqual(small, { body: 'grüße', body_encoding: 'utf8', body_decoded: [name], cut: false, now: true });
    const long = Buffer.from(Array.from({ length: 60_000 }, (_, i) => ((i * 2654435761) % 4294967296).toString(36)).join('\n'));
    const encoded = encode(long);
    assert.ok(encoded.length > 16 * 1024);
    const large = await read(encoded, coding(name));
    assert.equal(large.now, false);
    assert.equal(large.body, long.toString());
    assert.equal(large.cut, false);
  });

  test(`${name} that stops early shows what came`, async () => {
    const long = Buffer.from(Array.from({ length: 90_000 }, (_, i) => ((i * 2654435761) % 4294967296).toString(36)).join('\n'));
    const encoded = encode(long);
    const text = await read(encoded.subarray(0, Math.floor(encoded.length / 2)), coding(name), true);
    assert.deepEqual(text.body_decoded, [name]);
    assert.ok(text.body.length > 10_000 && long.toString().startsWith(text.body), `${text.body.length} characters`);
    assert.equal(text.cut, true);
  });

  test(`a bomb of ${name} is stopped at the limit`, async () => {
    const bomb = encode(Buffer.alloc(64 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    const text = await read(bomb, [...coding(name), ['content-type', 'text/plain']], false, 100_000);
    assert.equal(Buffer.from(text.body, 'base64').length, 100_000);
    assert.equal(text.cut, true);
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
  });

  test(`${name} that is broken from the start is shown as it is`, async () => {
    const text = await read(Buffer.from('this is no compressed data at all'), coding(name));
    assert.equal(text.body, 'this is no compressed data at all');
    assert.deepEqual(text.body_decoded, []);
  });
}

test('broken half-way, what came before stands', async () => {
  const long = Buffer.from(Array.from({ length: 90_000 }, (_, i) => ((i * 2654435761) % 4294967296).toString(36)).join('\n'));
  const encoded = gzipSync(long);
  encoded.fill(0xff, Math.floor(encoded.length / 2));
  const text = await read(encoded, coding('gzip'));
  assert.deepEqual(text.body_decoded, ['gzip']);
  assert.equal(text.cut, true);
  const same = Buffer.from(text.body, text.body_encoding);
  assert.ok(same.length > 10_000 && same.subarray(0, 10_000).equals(long.subarray(0, 10_000)));
});

test('deflate is understood with and without its zlib header', async () => {
  for (const bytes of [deflateSync('both'), deflateRawSync('both')]) {
    const text = await read(bytes, coding('deflate'));
    assert.equal(text.body, 'both');
    assert.deepEqual(text.body_decoded, ['deflate']);
  }
});

test('stacked codings are undone from the outermost in, over several fields and in any case', async () => {
  const bytes = brotliCompressSync(gzipSync(zstdCompressSync('inmost')));
  const text = await read(bytes, [['Content-Encoding', 'zstd, X-GZIP'], ['content-encoding', 'identity,BR']]);
  assert.equal(text.body, 'inmost');
  assert.deepEqual(text.body_decoded, ['br', 'gzip', 'zstd']);
});

test('an unknown coding ends the decoding', async () => {
  const inner = Buffer.from([1, 0, 255, 3]);
  const text = await read(gzipSync(inner), coding('compress, gzip'));
  assert.deepEqual(text.body_decoded, ['gzip']);
  assert.ok(Buffer.from(text.body, 'base64').equals(inner));
});

test('a character cut in two at the end is left out', async () => {
  const bytes = Buffer.from('abc€😀');
  for (let length = 4; length < bytes.length; length += 1) {
    const text = await read(bytes.subarray(0, length), [['content-type', 'text/plain']], true);
    assert.equal(text.body_encoding, 'utf8', `${length} bytes`);
    assert.ok('abc€😀'.startsWith(text.body) && text.body.length >= 3);
  }
  const whole = await read(bytes.subarray(0, 5), [], false);
  assert.equal(whole.body_encoding, 'base64', 'in a whole body it is an error of the text');
});

test('the charset of a textual type is minded', async () => {
  const latin = Buffer.from('naïve', 'latin1');
  assert.equal((await read(latin, [['Content-Type', 'text/html; charset=ISO-8859-1']])).body, 'naïve');
  assert.equal((await read(latin, [['Content-Type', 'application/vnd.x+json;charset="iso-8859-1"; a=b']])).body, 'naïve');
  assert.equal((await read(latin, [['Content-Type', 'image/png; charset=iso-8859-1']])).body_encoding, 'base64');
  const wide = Buffer.from('wide €', 'utf16le');
  assert.equal((await read(wide, [['Content-Type', 'text/plain; charset=utf-16le']])).body, 'wide €');
  assert.equal((await read(wide.subarray(0, 11), [['Content-Type', 'text/plain; charset=utf-16le']], true)).body, 'wide ');
  assert.equal((await read(Buffer.from('plain ü'), [['Content-Type', 'text/plain; charset=klingon']])).body, 'plain ü');
});

test('many bodies at once are all read, each with its own text', async () => {
  const reader = new BodyReader(LIMIT);
  const texts = await Promise.all(
    Array.from({ length: 40 }, (_, i) => {
      const bytes = gzipSync(Buffer.from(`${i}:`.padEnd(300_000, String(i))));
      return new Promise<BodyText>((resolve) => reader.read(bytes, Headers.from(coding('gzip')), false, resolve));
    }),
  );
  texts.forEach((text, i) => assert.ok(text.body.startsWith(`${i}:`) && text.body.length === 300_000));
  assert.equal(reader.overloaded, 0);
});

test('more than may wait is shown undecoded and counted', async () => {
  const reader = new BodyReader(1000);
  const bytes = gzipSync(Buffer.from(Array.from({ length: 1_200_000 }, (_, i) => ((i * 2654435761) % 4294967296).toString(36)).join('')), { level: 0 });
  const many = Math.ceil((70 * 1024 * 1024) / bytes.length);
  const texts = await Promise.all(Array.from({ length: many }, () => new Promise<BodyText>((resolve) => reader.read(bytes, Headers.from(coding('gzip')), false, resolve))));
  assert.ok(reader.overloaded > 0);
  assert.equal(texts.filter((text) => text.body_decoded.length === 0).length, reader.overloaded);
});
