/** A DNS server on names of a table, and questions to it. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { SyntheticPool } from '../../../core/dns/pool.ts';
import type { DnsServer, DnsServerOptions } from '../../../core/dns/server.ts';
import { Dialler } from '../../../core/upstream/dialler.ts';
import { Resolver, type Lookup } from '../../../core/upstream/resolver.ts';

export const NAMES: Record<string, string[] | string> = {
  'a.example': ['8.8.8.8'],
  'b.example': ['8.8.4.4', '2606:4700::1', '10.0.0.1'],
  'private.example': ['10.0.0.1'],
  'again.example': 'EAI_AGAIN',
};

export interface Rig extends DnsServerOptions {
  asked: string[];
  judged: string[];
}

export function rig(options: Partial<DnsServerOptions> = {}): Rig {
  const asked: string[] = [];
  const judged: string[] = [];
  const lookup: Lookup = (name, _options, done) => {
    asked.push(name);
    const answer = NAMES[name] ?? 'ENOTFOUND';
    if (typeof answer === 'string') done(Object.assign(new Error(answer), { code: answer }), []);
    else done(null, answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };
  const dialler = new Dialler({ resolver: new Resolver({ lookup }), hosts: { 'pinned.example': '127.0.0.1:8443' } });
  const judge = async (name: string): Promise<'allow' | 'deny'> => {
    judged.push(name);
    if (name === 'broken.example') throw new Error('broken');
    return name.startsWith('denied') ? 'deny' : 'allow';
  };
  return { pool: new SyntheticPool(), dialler, judge, ...options, asked, judged };
}

export type Reply = codec.DecodedPacket & { rcode: string; flag_tc: boolean };

export async function ask(server: DnsServer, name: string, type: string, extra: object = {}, transport: 'udp' | 'tcp' = 'udp'): Promise<Reply> {
  const query = codec.encode({ type: 'query', id: 4711, flags: codec.RECURSION_DESIRED, questions: [{ name, type: type as 'A' }], ...extra });
  const response = await server.answer(query, transport);
  assert(response, 'no response');
  const reply = codec.decode(response) as Reply;
  assert.equal(reply.id, 4711);
  assert.equal(reply.type, 'response');
  return reply;
}

export async function told(server: DnsServer, name: string, type: string): Promise<unknown> {
  const { rcode, answers } = await ask(server, name, type);
  return [rcode, ...answers!.map((answer) => (answer as { data: unknown }).data)];
}
