import { test } from 'node:test';
import { Seed } from '../../stage/seed.ts';
import { fuzzChunkedBodies, fuzzRequestHeads } from './grammar-fuzz.ts';

test('a million mutated request heads', () => fuzzRequestHeads(1_000_000, new Seed(Date.now())));

test('a million mutated chunked bodies', () => fuzzChunkedBodies(1_000_000, new Seed(Date.now())));
