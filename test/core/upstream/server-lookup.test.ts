/** Addresses from DNS servers of the profile's choice, as the dialler gets them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MentuError } from '../../../core/index.ts';
import { Dialler } from '../../../core/upstream/dialler.ts';
import { nameServer } from '../dns/name-server.ts';

test('both families are asked for, and a name that has none is told from a server that does not know', async () => {
  const addresses: Record<string, string> = { 'A both.test': '8.8.8.8', 'AAAA both.test': '2606:4700::1', 'AAAA six.test': '2606:4700::2', 'A alias.test': '8.8.4.4' };
  await using upstream = await nameServer(({ packet }) => {
    const [{ name, type }] = packet.questions as [{ name: string; type: string }];
    if (name === 'broken.test' || (name === 'half.test' && type === 'A')) return { flags: 2 };
    if (name === 'odd.test' && type === 'AAAA') return { flags: 3 };
    const data = addresses[`${type} ${name}`];
    if (!data) return name.startsWith('gone') ? { flags: 3 } : {};
    const alias = name === 'alias.test';
    return { answers: [...(alias ? [{ type: 'CNAME', name, ttl: 5, data: 'real.test' }] : []), { type, name: alias ? 'real.test' : name, ttl: 5, data }] };
  });
  const dialler = new Dialler({ dnsServers: [upstream.address] });
  const found = async (name: string): Promise<string[]> => (await dialler.resolve(name)).addresses.map(({ address }) => address);
  assert.deepEqual((await found('both.test')).sort(), ['2606:4700::1', '8.8.8.8']);
  assert.deepEqual(await found('six.test'), ['2606:4700::2']);
  assert.deepEqual(await found('alias.test'), ['8.8.4.4']);
  const cause = (name: string): Promise<unknown> => dialler.resolve(name).catch((error: MentuError) => (error.cause as NodeJS.ErrnoException).code);
  assert.deepEqual([await cause('gone.test'), await cause('empty.test'), await cause('broken.test')], ['ENOTFOUND', 'ENODATA', 'EAI_AGAIN']);
  assert.deepEqual([await cause('odd.test'), await cause('half.test')], ['ENODATA', 'EAI_AGAIN'], 'a name that is there for one family is there');
});
