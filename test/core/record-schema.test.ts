import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator, type Schema } from '@cfworker/json-schema';
import type { FromSchema } from 'json-schema-to-ts';
import type { FlowRecord } from '../../core/record.ts';
import { flowRecordSchema } from '../../core/record-schema.ts';
import { sampleParts, sampleRecord } from './sample-record.ts';

/** The schema says "two strings" by a length, which a type made from it does not show. */
type WithoutPairs<T> = T extends [string, string] ? string[] : T extends readonly (infer Item)[] ? WithoutPairs<Item>[] : T extends object ? { [Key in keyof T]: WithoutPairs<T[Key]> } : T;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

type OfSchema = FromSchema<typeof flowRecordSchema>;
type OfType = WithoutPairs<FlowRecord>;
// Does not compile where a field is in one and not in the other, or has another type there.
const sameType: Same<OfSchema, OfType> = true;
/** Every way to a field, such as `.upstream.tls.cipher`: assignability alone would let optional fields differ. */
type Paths<T, At extends string = ''> = T extends readonly (infer Item)[]
  ? Paths<Item, `${At}[]`>
  : T extends object
    ? string extends keyof T ? At : { [Key in keyof T & string]-?: `${At}.${Key}` | Paths<NonNullable<T[Key]>, `${At}.${Key}`> }[keyof T & string]
    : never;
const sameKeys: Same<Paths<OfSchema>, Paths<OfType>> = true;

const validator = new Validator(flowRecordSchema as unknown as Schema, '2020-12', false);
const valid = (record: unknown): boolean => validator.validate(JSON.parse(JSON.stringify(record))).valid;

test('the type and the schema are the same shape', () => {
  assert.ok(sameType && sameKeys, 'the proof is that this file compiles');
});

test('a full record is valid', () => {
  const result = validator.validate(JSON.parse(JSON.stringify(sampleRecord())));
  assert.deepEqual(result.errors, []);
});

test('a record with every part is valid', () => {
  assert.deepEqual(validator.validate(JSON.parse(JSON.stringify({ ...sampleRecord(), ...sampleParts() }))).errors, []);
});

test('a record of a connection without a request is valid', () => {
  const record: FlowRecord = { ...sampleRecord(), kind: 'tls', outcome: 'failed', error: { code: 'no_request', message: 'none' }, request: null, response: null, tls: null, upstream: null, http_version: null, tls_sni: null };
  assert.ok(valid(record));
});

for (const [what, change] of [
  ['another version', { version: 2 }],
  ['an unknown outcome', { outcome: 'lost' }],
  ['an unknown field', { extra: 1 }],
  ['a header of three parts', { request: { ...sampleRecord().request, headers: [['a', 'b', 'c']] } }],
  ['a header of one part', { request: { ...sampleRecord().request, headers: [['a']] } }],
  ['a hash that is none', { request: { ...sampleRecord().request, body_sha256: 'abc' } }],
  ['a file outside bodies/', { response: { ...sampleRecord().response, body_file: '../etc/passwd' } }],
  ['a negative size', { bytes: { up: -1, down: 0 } }],
  ['a message without its sender', { websocket: { ...sampleParts().websocket, messages: [{ ...sampleParts().websocket.messages[0], from: undefined }] } }],
  ['an unknown kind', { kind: 'quic' }],
  ['an annotation that is no object', { annotations: { plugin: 'text' } }],
] as const) {
  test(`a record with ${what} is not valid`, () => assert.equal(valid({ ...sampleRecord(), ...change }), false));
}

for (const key of flowRecordSchema.required) {
  test(`a record without ${key} is not valid`, () => {
    const { [key]: _, ...rest } = sampleRecord();
    assert.equal(valid(rest), false);
  });
}
