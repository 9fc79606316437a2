import { test } from 'node:test';
import { Seed } from '../../stage/seed.ts';
import { fuzzHellos } from './hello-bytes.ts';

test('a million mutated hellos', () => fuzzHellos(1_000_000, new Seed(Date.now())));
