import { test } from 'node:test';
import assert from 'node:assert/strict';
import { MentuError } from '../../../core/index.ts';
import { parseMoment } from '../../../plugins/cir-sink/moment.ts';

const now = Date.UTC(2026, 2, 10, 12);

for (const [text, wanted] of [
  ['90s', '2026-03-10T11:58:30.000Z'],
  ['15m', '2026-03-10T11:45:00.000Z'],
  ['24h', '2026-03-09T12:00:00.000Z'],
  ['7d', '2026-03-03T12:00:00.000Z'],
  ['2w', '2026-02-24T12:00:00.000Z'],
  ['2026-03-01', '2026-03-01T00:00:00.000Z'],
  ['2026-03-01T10:00:00Z', '2026-03-01T10:00:00.000Z'],
  ['2026-03-01T10:00:00.5+02:00', '2026-03-01T08:00:00.500Z'],
] as const) {
  test(`reads ${text}`, () => assert.equal(parseMoment(text, now).toISOString(), wanted));
}

for (const text of ['', 'yesterday', '24', '24 h', '-1h', '1.5h', '2026-13-01', '2026-02-30T25:00:00Z', '03/01/2026', '99999999999999h', '9999999w']) {
  test(`refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseMoment(text, now), (error) => error instanceof MentuError && error.code === 'bad_time');
  });
}
