/**
 * Proves the sandbox on this machine: what a guest must not reach is tried from inside one, and each attempt is tried
 * again in a guest that lacks just the guard in question. A probe whose control fails has proved nothing, and says so.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding, Guest } from '../engine.ts';
import { callNumber } from './calls.ts';
import { NamespaceEngine } from './engine.ts';
import type { Guard } from './guards.ts';
import type { Attempt, Outcome } from '../probe/probe.ts';
import type { Probed } from '../probe/probing.ts';
import { probeGuest } from '../probe/probing.ts';
import { filterArchitecture } from './seccomp.ts';

const WORDS = 'reached';
/** TEST-NET-3 (RFC 5737): nobody is there, and nothing of ours. */
const ELSEWHERE = '203.0.113.9';
const MEND = 'run "mentu-runtime doctor" again; if it stays, do not run code here that you do not trust';

interface Trial {
  readonly name: string;
  readonly attempt: Attempt;
  readonly without: readonly Guard[];
  readonly reached: (outcome: Outcome) => boolean;
}

/** One guest with every guard and one for each control, at once; about a second. */
export async function selfTest(): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mentu-selftest-'));
  const secret = join(folder, 'secret');
  writeFileSync(secret, WORDS, { mode: 0o600 });
  const server = createServer((socket) => socket.on('error', () => undefined).end(WORDS));
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const trials = trialsOf((server.address() as AddressInfo).port, secret);
    const [guarded, ...control] = await Promise.all([probe(trials, []), ...trials.map((trial) => probe([trial], trial.without))]);
    const controls = control.map(({ outcomes }) => outcomes[0]!);
    return [
      ...trials.map((trial, index) => finding(trial, guarded.outcomes[index]!, controls[index]!)),
      dropsFinding(guarded),
    ];
  } catch (error) {
    return [{ name: 'guest', ok: false, detail: error instanceof Error ? error.message : String(error), mend: 'see the findings above' }];
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

function trialsOf(port: number, secret: string): Trial[] {
  const socket = callNumber('socket', filterArchitecture() ?? 'x64')!;
  const [AF_INET, SOCK_RAW, IPPROTO_ICMP] = [2, 3, 1];
  return [
    {
      name: "the host's loopback",
      attempt: { try: 'tcp', host: '127.0.0.1', port },
      without: ['network'],
      reached: ({ reached, detail }) => reached && detail === WORDS,
    },
    {
      name: "the host's files",
      attempt: { try: 'read', path: secret },
      without: ['root'],
      reached: ({ reached, detail }) => reached && detail === WORDS,
    },
    {
      name: 'UDP other than DNS',
      attempt: { try: 'udp', host: ELSEWHERE, port: 9, text: WORDS },
      without: ['udp'],
      reached: ({ reached }) => reached,
    },
    {
      name: 'raw sockets',
      attempt: { try: 'call', number: socket, arguments: [AF_INET, SOCK_RAW, IPPROTO_ICMP] },
      without: ['seccomp:raw', 'seccomp:protocols', 'capabilities'],
      reached: ({ reached }) => reached,
    },
  ];
}

function probe(trials: readonly Trial[], without: readonly Guard[]): Promise<Probed> {
  return probeGuest({ engine: new NamespaceEngine({ without }), attempts: trials.map(({ attempt }) => attempt), prepared: answerDatagrams });
}

/** In the control for UDP, every datagram is led to the DNS sockets. */
function answerDatagrams({ listeners }: Guest): void {
  for (const socket of listeners?.dns ?? []) socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  for (const server of listeners?.tcp ?? []) refuse(server);
}

function refuse(server: Server): void {
  server.on('connection', (socket) => socket.on('error', () => undefined).end('captured'));
}

function finding({ name, reached }: Trial, guarded: Outcome, control: Outcome): Finding {
  if (reached(guarded)) return { name, ok: false, detail: 'can be reached from a guest', mend: MEND };
  if (!reached(control)) return { name, ok: false, detail: `the control failed (${control.detail}): nothing is proved`, mend: MEND };
  return { name, ok: true, detail: `out of reach (${guarded.detail}), and reached where the guard is missing` };
}

function dropsFinding({ drops }: Probed): Finding {
  const name = 'dropped packets are counted';
  return drops.udp === 1
    ? { name, ok: true, detail: `${drops.udp} of 1 UDP packet` }
    : { name, ok: false, detail: `${drops.udp} UDP packets counted, 1 was sent`, mend: MEND };
}
