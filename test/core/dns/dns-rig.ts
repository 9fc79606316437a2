/** A DNS server on names of a table, whose flows are kept, and questions to it. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { SyntheticPool } from '../../../core/dns/pool.ts';
import { DnsServer, type DnsServerOptions } from '../../../core/dns/server.ts';
import type { FlowRecord, MentuError } from '../../../core/index.ts';
import { CaptureHooks } from '../../../core/hooks.ts';
import { BodyReader } from '../../../core/recorder/body-text.ts';
import { FlowRecorder } from '../../../core/recorder/flow-recorder.ts';
import { Dialler } from '../../../core/upstream/dialler.ts';
import { Resolver, type Lookup } from '../../../core/upstream/resolver.ts';

export const NAMES: Record<string, string[] | string> = {
  'a.example': ['8.8.8.8'],
  'b.example': ['8.8.4.4', '2606:4700::1', '10.0.0.1'],
  'private.example': ['10.0.0.1'],
  'again.example': 'EAI_AGAIN',
  'empty.example': 'ENODATA',
};

/** Says of every name that there is none such. */
export const NO_NAMES: DnsServerOptions['nameServers'] = {
  ask: async () => ({ answer: { id: 1, flags: 0x8183, questions: [], answers: [], authorities: [], additionals: [] }, server: { address: '192.0.2.53', port: 53 } }),
};

export interface Rig {
  readonly server: DnsServer;
  readonly pool: SyntheticPool;
  readonly recorder: FlowRecorder;
  /** Names that were looked up, and that were judged. */
  readonly asked: string[];
  readonly judged: string[];
  readonly records: FlowRecord[];
  readonly warnings: MentuError[];
}

export interface RigOptions extends Partial<Pick<DnsServerOptions, 'pool' | 'maxPending' | 'nameServers' | 'http3'>> {
  /** What a decision waits for. */
  readonly gate?: Promise<unknown>;
  /** What a sink waits for. */
  readonly sink?: Promise<unknown>;
}

export function rig({ gate, sink, pool = new SyntheticPool(), ...options }: RigOptions = {}): Rig {
  const asked: string[] = [];
  const judged: string[] = [];
  const records: FlowRecord[] = [];
  const warnings: MentuError[] = [];
  const lookup: Lookup = (name, _options, done) => {
    asked.push(name);
    const answer = NAMES[name] ?? 'ENOTFOUND';
    if (typeof answer === 'string') done(Object.assign(new Error(answer), { code: answer }), []);
    else done(null, answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };
  const dialler = new Dialler({ resolver: new Resolver({ lookup }), hosts: { 'pinned.example': '127.0.0.1:8443' } });
  const hooks = new CaptureHooks((plugin, hook, error) => assert.fail(`${plugin} ${hook}: ${String(error)}`));
  hooks.forPlugin('judge').onConnect.tapPromise('judge', async ({ protocol, destination: { name } }) => {
    assert.equal(protocol, 'dns');
    judged.push(name!);
    await gate;
    if (name === 'broken.example') throw new Error('broken');
    if (name === 'answered.example') return { action: 'answer', rule: 'test', status: 200 };
    return name!.startsWith('denied') ? { action: 'deny', rule: 'test' } : { action: 'allow', rule: 'test' };
  });
  hooks.forPlugin('keeper').onFlowComplete.sink.tapPromise('keeper', async ({ line }) => {
    records.push(JSON.parse(line) as FlowRecord);
    await sink;
  });
  const recorder = new FlowRecorder('job_dns', hooks, { limit: 1024, keep: 'none', reader: new BodyReader(1024), store: null }, null, () => {});
  let connections = 0;
  const server = new DnsServer({ pool, dialler, recorder, nameServers: NO_NAMES, http3: () => false, nextId: () => `conn_${++connections}`, warn: (error) => void warnings.push(error), ...options });
  return { server, pool, recorder, asked, judged, records, warnings };
}

export type Reply = codec.DecodedPacket & { rcode: string; flag_tc: boolean; flag_ad: boolean; flag_cd: boolean };

export function query(name: string, type: string, extra: object = {}): Buffer {
  return codec.encode({ type: 'query', id: 4711, flags: codec.RECURSION_DESIRED, questions: [{ name, type: type as 'A' }], ...extra });
}

export const ASKER = { client: { address: '192.0.0.2', port: 4000 }, address: null } as const;

export function response(server: DnsServer, message: Buffer, transport: 'udp' | 'tcp' = 'udp'): Promise<Buffer | null> {
  return new Promise((resolve) => void server.answer(message, { ...ASKER, transport }, resolve));
}

export async function ask(server: DnsServer, name: string, type: string, extra: object = {}, transport: 'udp' | 'tcp' = 'udp'): Promise<Reply> {
  const bytes = await response(server, query(name, type, extra), transport);
  assert(bytes, 'no response');
  const reply = codec.decode(bytes) as Reply;
  assert.equal(reply.id, 4711);
  assert.equal(reply.type, 'response');
  return reply;
}

export async function told(server: DnsServer, name: string, type: string): Promise<unknown> {
  const { rcode, answers } = await ask(server, name, type);
  return [rcode, ...answers!.map((answer) => (answer as { data: unknown }).data)];
}
