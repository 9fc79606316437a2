import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyntheticPool } from '../../../core/dns/pool.ts';
import { AddressGuard } from '../../../core/upstream/address-guard.ts';

test('a name has one pair of addresses, and they lead back to it', () => {
  const pool = new SyntheticPool();
  const pair = pool.issue('a.example');
  assert.deepEqual(pair, { ipv4: '198.18.0.1', ipv6: 'fd4d:656e:7475::1' });
  assert.deepEqual(pool.issue('a.example'), pair);
  assert.deepEqual(pool.issue('b.example'), { ipv4: '198.18.0.2', ipv6: 'fd4d:656e:7475::2' });
  for (const address of [pair!.ipv4, pair!.ipv6, 'fd4d:656e:7475:0:0::1']) {
    assert.equal(pool.nameOf(address), 'a.example', address);
    assert.equal(pool.issued(address), true, address);
  }
  assert.equal(pool.size, 2);
});

test('an address of the pool that was never issued is covered and stands for nothing', () => {
  const pool = new SyntheticPool();
  pool.issue('a.example');
  for (const address of ['198.18.0.0', '198.18.0.2', '198.19.255.255', 'fd4d:656e:7475::', 'fd4d:656e:7475::2', 'fd4d:656e:7475:1::1', 'fd4d:656e:7475:0:1::1']) {
    assert.equal(pool.covers(address), true, address);
    assert.equal(pool.issued(address), false, address);
    assert.equal(pool.nameOf(address), undefined, address);
  }
  for (const address of ['198.17.255.255', '198.20.0.0', '192.0.2.1', 'fd4d:656e:7474::1', 'fd4d:656e:7476::1', '::1', 'a.example', '']) {
    assert.equal(pool.covers(address), false, address);
    assert.equal(pool.issued(address), false, address);
  }
});

test('the whole network is given out, no address twice, and then nothing', () => {
  const pool = new SyntheticPool();
  const seen = new Set<string>();
  for (let i = 0; i < 131_070; i += 1) {
    const { ipv4, ipv6 } = pool.issue(`n${i}.example`)!;
    seen.add(ipv4).add(ipv6);
  }
  assert.equal(seen.size, 2 * 131_070);
  assert.equal(pool.issue('one-more.example'), null);
  assert.equal(pool.issue('n131069.example')?.ipv4, '198.19.255.254');
  assert.equal(pool.nameOf('198.19.255.254'), 'n131069.example');
  assert.equal(pool.nameOf('fd4d:656e:7475::1:fffe'), 'n131069.example');
  assert.equal(pool.nameOf('198.19.255.255'), undefined);
});

test('the guard refuses every address of the pool, so none is ever dialled', () => {
  const guard = new AddressGuard();
  const { ipv4, ipv6 } = new SyntheticPool().issue('a.example')!;
  assert.notEqual(guard.refusal(ipv4), null);
  assert.notEqual(guard.refusal(ipv6), null);
});
