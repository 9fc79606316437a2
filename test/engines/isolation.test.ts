/** What a guest must not reach, in every engine: each probe with its control, and the table of them all. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Attempt, Outcome } from '../../plugins/engines/probe/probe.ts';
import { probeGuest } from '../../plugins/engines/probe/probing.ts';
import { Bait } from './bait.ts';
import { ENGINES, NAMESPACE } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import { consume, runJob, until } from './job.ts';
import { WORDS, assertHolds, table, tryPairs } from './pairs.ts';
import type { Row, Tried } from './pairs.ts';
import { commonPairs } from './probes.ts';

const bait = new Bait();
await bait.lay();
const PAIRS = await commonPairs(bait);
const rows: Row[] = [];

after(() => {
  console.log(table(rows));
  bait.close();
});

for (const engine of ENGINES) {
  describe(engine.name, () => {
    let tried: Tried;
    before(async () => {
      tried = await tryPairs(engine, PAIRS, bait.spec);
      rows.push(...tried.rows);
    });

    for (const { name } of PAIRS.filter(({ controls }) => controls[engine.name])) {
      test(`out of reach, and within reach where the guard is missing: ${name}`, () => assertHolds(tried.rows.find(({ probe }) => probe === name)!));
    }

    test('dropped UDP packets are counted, each once', () => {
      const sent = PAIRS.filter(({ attempt, controls }) => attempt.try === 'udp' && controls[engine.name] !== undefined && !/^(?:127\.|::1)/.test(attempt.host)).length;
      assert.equal(tried.guarded.drops.udp, sent);
    });

    test('a socket that the host makes later in a read-only share is out of reach too', async () => {
      const attempts: Attempt[] = [{ try: 'unix', path: '/ro/later' }, { try: 'read', path: '/ro/file' }];
      const outcome = async (in_: TestedEngine, without: readonly string[], name: string): Promise<Outcome> => {
        mkdirSync(bait.path(name));
        const { outcomes } = await probeGuest({
          engine: await in_.make(without),
          attempts,
          spec: { limits: in_.limits, mounts: [{ source: bait.path(name), destination: '/ro', readOnly: true }] },
          prepared: (guest) => {
            consume(guest);
            void bait.serve({ path: bait.path(name, 'later') });
            writeFileSync(bait.path(name, 'file'), WORDS);
          },
          limitMs: 30_000 * in_.patience,
        });
        assert.equal(outcomes[1]!.detail, WORDS, 'a file made at the same time is seen');
        return outcomes[0]!;
      };
      assert.deepEqual(await outcome(engine, [], `sealed-${engine.name}`), { reached: false, detail: 'ECONNREFUSED' });
      assert.deepEqual(await outcome(NAMESPACE, ['sockets'], `open-${engine.name}`), { reached: true, detail: WORDS });
    });

    test("another job's plane and guest are out of reach: the same addresses lead to one's own", async () => {
      // Each listens, and asks all addresses that planes and guests have; each plane answers with its own words.
      const script = (own: string): string => `
python3 -c 'import socket, os
s = socket.create_server(("", 8088))
if os.fork() == 0:
  while True:
    c, _ = s.accept(); c.sendall(b"guest ${own} "); c.close()' && echo ready
until [ -e /meet/${own} ] && [ -e /meet/other ]; do touch /meet/${own}; [ -e /meet/one ] && [ -e /meet/two ] && touch /meet/other; sleep 0.1; done
for at in 192.0.0.1 192.0.0.2 127.0.0.1 10.0.2.2 10.0.2.15 198.18.0.1; do exec 3<>/dev/tcp/$at/8088 && cat <&3; done; echo`;
      mkdirSync(bait.path(`meet-${engine.name}`));
      const job = async (own: string): Promise<string> => (await runJob(engine, {
        command: 'bash',
        args: ['-c', script(own)],
        mounts: [{ source: bait.path(`meet-${engine.name}`), destination: '/meet', readOnly: false }],
        serve: (socket) => socket.end(`plane ${own} `),
        running: (_, output) => until('both run', () => output().includes('ready'), 20_000 * engine.patience),
      })).stdout;
      for (const [index, words] of (await Promise.all([job('one'), job('two')])).entries()) {
        const [own, other] = index === 0 ? ['one', 'two'] : ['two', 'one'];
        assert.equal(words, `ready\nplane ${own} guest ${own} guest ${own} plane ${own} plane ${own} plane ${own} \n`);
        assert.ok(!words.includes(other));
      }
    });
  });
}
