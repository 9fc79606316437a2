import assert from 'node:assert/strict';
import { test } from 'node:test';
import { huffmanLength, readHuffman, writeHuffman } from '../../../core/http3/huffman.ts';

function coded(text: string): string {
  const bytes = Buffer.alloc(huffmanLength(text));
  assert.equal(writeHuffman(text, bytes, 0), bytes.length);
  return bytes.toString('hex');
}

function decoded(bytes: Buffer): string | null {
  const target = Buffer.alloc(Math.ceil(bytes.length * 1.6) + 1);
  const size = readHuffman(bytes, 0, bytes.length, target);
  return size < 0 ? null : target.toString('latin1', 0, size);
}

test('the examples of RFC 7541, appendix C', () => {
  for (const [text, hex] of [
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-key', '25a849e95ba97d7f'],
    ['custom-value', '25a849e95bb8e8b4bf'],
    ['302', '6402'],
    ['private', 'aec3771a4b'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
  ] as const) {
    assert.equal(coded(text), hex);
    assert.equal(decoded(Buffer.from(hex, 'hex')), text);
  }
});

test('every octet, alone and beside every other', () => {
  for (let a = 0; a < 256; a++) {
    assert.equal(decoded(Buffer.from(coded(String.fromCharCode(a)), 'hex')), String.fromCharCode(a));
    for (let b = 0; b < 256; b++) {
      const text = String.fromCharCode(a, b);
      assert.equal(decoded(Buffer.from(coded(text), 'hex')), text);
    }
  }
});

test('a padding of zeros, of more than seven bits, and the code of the end are refused', () => {
  assert.equal(decoded(Buffer.from('18', 'hex')), null);
  assert.equal(decoded(Buffer.from('6402ff', 'hex')), null);
  assert.equal(decoded(Buffer.from('ffffffff', 'hex')), null);
  assert.equal(decoded(Buffer.alloc(0)), '');
});

test('a character beyond latin1 is refused', () => assert.throws(() => huffmanLength('aλ'), TypeError));
