import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { COUNTERS_COMMAND, parseCounters, ruleset } from '../../../../plugins/engines/plane/ruleset.ts';
import { findTools } from '../../../../plugins/engines/tools.ts';

const found = findTools();
assert.ok('tools' in found, 'the engine\'s tools are installed');
const { nft, unshare } = found.tools;

for (const dropUdp of [true, false]) {
  test(`nft takes the ruleset and lists its counters (dropUdp: ${dropUdp})`, () => {
    const script = `"${nft}" -f - && "${nft}" ${COUNTERS_COMMAND.join(' ')}`;
    const output = execFileSync(unshare, ['--user', '--map-root-user', '--net', 'sh', '-c', script], { input: ruleset({ dropUdp }), encoding: 'utf8' });
    assert.deepEqual(parseCounters(output), { udp: 0, other: 0 });
  });
}

test('an answer without the counters is an error, and not a zero', () => {
  assert.throws(() => parseCounters('{"nftables": [{"metainfo": {}}]}'), /no counter/);
});
