import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrongAnswers } from '../../../bench/protocols/gtlsclient.ts';

const answer = (stream: string, status: number): string => `http: stream ${stream} response headers started
http: stream ${stream} [:status: ${status}]
http: stream ${stream} [server: Caddy]
http: stream ${stream} headers ended
HTTP stream 0 closed with error code 256
`;

test('as many answers of 200 as were asked for are right', () => {
  assert.equal(wrongAnswers(answer('0x0', 200) + answer('0x4', 200), 2), null);
});

test('another status, and answers that stay away, are wrong', () => {
  assert.equal(wrongAnswers(answer('0x0', 200) + answer('0x4', 502), 2), 'it answered 502');
  assert.equal(wrongAnswers(answer('0x0', 200), 2), '1 of 2 answers');
  assert.equal(wrongAnswers('ngtcp2_conn_handle_expiry: ERR_HANDSHAKE_TIMEOUT\n', 50), '0 of 50 answers: ngtcp2_conn_handle_expiry: ERR_HANDSHAKE_TIMEOUT');
});
