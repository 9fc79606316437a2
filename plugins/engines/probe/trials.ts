/**
 * Proves an engine on this machine: what a guest must not reach is tried from inside one, and each attempt is tried
 * again in a guest that lacks just the guard in question. A probe whose control fails has proved nothing, and says so.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding, Guest, GuestEngine, GuestLimits } from '../engine.ts';
import type { Attempt, Outcome } from './probe.ts';
import { probeGuest } from './probing.ts';
import type { Probed } from './probing.ts';

const WORDS = 'reached';
/** TEST-NET-3 (RFC 5737): nobody is there, and nothing of ours. */
const ELSEWHERE = '203.0.113.9';
const MEND = 'run "mentu-runtime engine doctor" again; if it stays, do not run code here that you do not trust';

export interface Trial<Guard> {
  readonly name: string;
  readonly attempt: Attempt;
  /** The guards that the control lacks. */
  readonly without: readonly Guard[];
  readonly reached: (outcome: Outcome) => boolean;
}

/** What the host offers for guests to reach. */
export interface Bait {
  /** Listens on the host's loopback. */
  readonly port: number;
  /** A file's path. */
  readonly secret: string;
}

export interface Proof<Guard> {
  make(without: readonly Guard[]): GuestEngine;
  /** One of them sends one UDP packet. */
  trials(bait: Bait): readonly Trial<Guard>[];
  readonly limits?: GuestLimits;
}

/** One guest with every guard and one for each control, at once. */
export async function proveByTrial<Guard>({ make, trials: trialsOf, limits }: Proof<Guard>): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mentu-selftest-'));
  const secret = join(folder, 'secret');
  writeFileSync(secret, WORDS, { mode: 0o600 });
  const server = createServer((socket) => socket.on('error', () => undefined).end(WORDS));
  const probe = (trials: readonly Trial<Guard>[], without: readonly Guard[]): Promise<Probed> =>
    probeGuest({ engine: make(without), attempts: trials.map(({ attempt }) => attempt), prepared: answerDatagrams, spec: limits ? { limits } : {} });
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    const trials = trialsOf({ port: (server.address() as AddressInfo).port, secret });
    const [guarded, ...control] = await Promise.all([probe(trials, []), ...trials.map((trial) => probe([trial], trial.without))]);
    const controls = control.map(({ outcomes }) => outcomes[0]!);
    return [...trials.map((trial, index) => finding(trial, guarded.outcomes[index]!, controls[index]!)), dropsFinding(guarded)];
  } catch (error) {
    return [{ name: 'guest', ok: false, detail: error instanceof Error ? error.message : String(error), mend: 'see the findings above' }];
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

/** `host`: how the guest would name this machine's loopback. */
export function loopbackTrial<Guard>({ port }: Bait, host: string, without: readonly Guard[]): Trial<Guard> {
  return { name: "the host's loopback", attempt: { try: 'tcp', host, port }, without, reached: readWords };
}

export function fileTrial<Guard>({ secret }: Bait, without: readonly Guard[]): Trial<Guard> {
  return { name: "the host's files", attempt: { try: 'read', path: secret }, without, reached: readWords };
}

export function datagramTrial<Guard>(without: readonly Guard[]): Trial<Guard> {
  return { name: 'UDP other than DNS', attempt: { try: 'udp', host: ELSEWHERE, port: 9, text: WORDS }, without, reached: ({ reached }) => reached };
}

function readWords({ reached, detail }: Outcome): boolean {
  return reached && detail === WORDS;
}

/** In the control for UDP, every datagram is led to the DNS sockets. */
function answerDatagrams({ listeners }: Guest): void {
  for (const socket of listeners?.dns ?? []) socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  for (const server of listeners?.tcp ?? []) refuse(server);
}

function refuse(server: Server): void {
  server.on('connection', (socket) => socket.on('error', () => undefined).end('captured'));
}

function finding<Guard>({ name, reached }: Trial<Guard>, guarded: Outcome, control: Outcome): Finding {
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
