/** No proxy: what client and origin reach by themselves. */
import type { Contender } from './contender.ts';

export const DIRECT: Contender = {
  name: 'no proxy',
  records: 'nothing',
  directory: null,
  port: null,
  process: null,
  recorded: async () => null,
  close: async () => [],
};
