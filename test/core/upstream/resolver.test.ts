import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MentuError } from '../../../core/errors.ts';
import { Resolver, type Lookup } from '../../../core/upstream/resolver.ts';

/** A resolver library of our own making: counts the look-ups and answers from a table. */
function tableLookup(answers: Record<string, string[] | string>): Lookup & { count: number } {
  const lookup = Object.assign(
    ((name: Parameters<Lookup>[0], _options: Parameters<Lookup>[1], done: Parameters<Lookup>[2]) => {
      lookup.count += 1;
      const answer = answers[name] ?? 'ENOTFOUND';
      setImmediate(() => {
        if (typeof answer === 'string') done(Object.assign(new Error(answer), { code: answer }), []);
        else done(null, answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
      });
    }) as Lookup,
    { count: 0 },
  );
  return lookup;
}

async function failure(promise: Promise<unknown>): Promise<{ code: string; reason: string; cause: string | undefined }> {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof MentuError);
    return { code: error.code, reason: String(error.params['reason']), cause: (error.cause as NodeJS.ErrnoException).code };
  }
  throw new Error('it resolved');
}

test('localhost is resolved by the system', async () => {
  const { addresses, ms } = await new Resolver().resolve('localhost');
  assert(addresses.some(({ address }) => address === '127.0.0.1' || address === '::1'));
  assert(ms !== null && ms >= 0);
});

test('a name that cannot exist is not found by the system', async () => {
  const { code, cause } = await failure(new Resolver().resolve('no-such-name.invalid'));
  assert.equal(code, 'name_not_found');
  assert(cause === 'ENOTFOUND' || cause === 'EAI_AGAIN', String(cause));
});

test('simultaneous questions make one look-up, later ones none until the answer is old', async () => {
  const lookup = tableLookup({ 'a.example': ['203.0.113.1', '2001:db8::1'] });
  const resolver = new Resolver({ lookup, ttlMs: 60 });
  const answers = await Promise.all([resolver.resolve('a.example'), resolver.resolve('a.example'), resolver.resolve('a.example')]);
  assert.equal(lookup.count, 1);
  assert.deepEqual(answers[2]!.addresses, [{ address: '203.0.113.1', family: 4 }, { address: '2001:db8::1', family: 6 }]);
  assert.equal((await resolver.resolve('a.example')).ms, null);
  assert.equal(lookup.count, 1);
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.notEqual((await resolver.resolve('a.example')).ms, null);
  assert.equal(lookup.count, 2);
});

test('that there is no name is remembered like an answer, that nobody knows for less', async () => {
  const lookup = tableLookup({ 'again.example': 'EAI_AGAIN', 'empty.example': [] });
  const resolver = new Resolver({ lookup, failureTtlMs: 30 });
  assert.deepEqual((await failure(resolver.resolve('gone.example'))).cause, 'ENOTFOUND');
  assert.deepEqual((await failure(resolver.resolve('empty.example'))), { code: 'name_not_found', reason: 'it has no address', cause: 'ENODATA' });
  const again = await failure(resolver.resolve('again.example'));
  assert.equal(again.cause, 'EAI_AGAIN');
  assert.match(again.reason, /EAI_AGAIN/);
  assert.equal(lookup.count, 3);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await failure(resolver.resolve('gone.example'));
  await failure(resolver.resolve('empty.example'));
  assert.equal(lookup.count, 3);
  await failure(resolver.resolve('again.example'));
  assert.equal(lookup.count, 4);
});

test('the memory is bounded, and the oldest name goes first', async () => {
  const lookup = tableLookup({});
  const resolver = new Resolver({ lookup, maxNames: 2 });
  for (const name of ['a.example', 'b.example', 'c.example', 'b.example', 'c.example']) await failure(resolver.resolve(name));
  assert.equal(lookup.count, 3);
  await failure(resolver.resolve('a.example'));
  assert.equal(lookup.count, 4);
});

test('a silent resolver is not waited for without end, nor asked without bound', async () => {
  let asked = 0;
  const resolver = new Resolver({ lookup: () => void (asked += 1), timeoutMs: 40, maxPending: 2 });
  const alive = setTimeout(() => {}, 5_000);
  const [first, second, third] = await Promise.all(['a.example', 'b.example', 'c.example'].map((name) => failure(resolver.resolve(name))));
  clearTimeout(alive);
  assert.equal(first!.cause, 'ETIMEDOUT');
  assert.match(first!.reason, /within 0.04 s/);
  assert.equal(second!.cause, 'ETIMEDOUT');
  assert.equal(third!.cause, 'EBUSY');
  assert.equal(asked, 2);
});
