import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIRECT } from '../../../bench/contenders/direct.ts';
import { ProtocolTurns, protocolLines, protocolRow, type ProtocolTurn } from '../../../bench/protocols/protocol-turns.ts';
import { messagesOf } from '../../../bench/protocols/recorded-messages.ts';

const turn = (count: number, cpu: number | null, failure: string | null = null): ProtocolTurn => ({ answered: count, count, seconds: 2, failure, cpu });

function turnsOf(name: string, websocket: ProtocolTurn[]): ProtocolTurns {
  const turns = new ProtocolTurns({ ...DIRECT, name });
  turns.turns.websocket.push(...websocket);
  return turns;
}

const direct = turnsOf('no proxy', [turn(40_000, null), turn(20_000, null)]);
const ours = turnsOf('mentu', [turn(20_000, 30), turn(10_000, 50)]);

test('rows compare turns of one round, and tell a failure in place of figures', () => {
  const peer = turnsOf('peer', [turn(5000, 200), turn(2500, 220)]);
  const stalled = turnsOf('stalled', [turn(0, null, 'stalled after 0 answers')]);
  const rows = [direct, ours, peer, stalled].map((measured) => protocolRow(measured, ours, direct));
  assert.deepEqual(protocolLines(rows), [
    ['WebSocket, messages/s', 'no proxy', '15,000', '100 %', '0.50 ×', ''],
    ['WebSocket, messages/s', 'mentu', '7,500', '50 %', '1.00 ×', '40'],
    ['WebSocket, messages/s', 'peer', '1,875', '13 %', '4.00 ×', '210'],
    ['WebSocket, messages/s', 'stalled', 'stalled after 0 answers', '', '', ''],
  ]);
});

test('what was not measured has no row', () => {
  assert.deepEqual(protocolLines([protocolRow(turnsOf('mentu', []), ours, direct)]), []);
});

test('what failed once is not tried again', async () => {
  const turns = turnsOf('peer', [turn(0, null, 'stalled after 0 answers')]);
  assert.equal(await turns.take('websocket', () => assert.fail('it was tried'), null, async () => {}), null);
  const taken = await turns.take('grpc', async () => ({ answered: 4, count: 3, seconds: 1, failure: null }), null, async () => {});
  assert.deepEqual(taken, { answered: 4, count: 3, seconds: 1, failure: null, cpu: null });
});

test('messages are those of WebSockets and gRPC calls, both ways', () => {
  assert.equal(messagesOf(JSON.stringify({ kind: 'websocket', websocket: { message_count: { up: 2, down: 3 } } })), 5);
  assert.equal(messagesOf(JSON.stringify({ kind: 'http', grpc: { message_count: { up: 1, down: 0 } }, websocket: null })), 1);
  assert.equal(messagesOf(JSON.stringify({ kind: 'http', events: { message_count: { up: 0, down: 9 } } })), 0);
  assert.equal(messagesOf('{"kind":"http"}'), 0);
});
