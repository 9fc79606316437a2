/** Proves the sandbox on this machine; about a second. */
import type { Finding } from '../engine.ts';
import { datagramTrial, fileTrial, loopbackTrial, proveByTrial } from '../probe/trials.ts';
import type { Trial } from '../probe/trials.ts';
import { callNumber } from './calls.ts';
import { NamespaceEngine } from './engine.ts';
import type { Guard } from './guards.ts';
import { filterArchitecture } from './seccomp.ts';

const LOOPBACK = '127.0.0.1';

export function selfTest(): Promise<Finding[]> {
  return proveByTrial<Guard>({
    make: (without) => new NamespaceEngine({ without }),
    trials: (bait) => [loopbackTrial(bait, LOOPBACK, ['network']), fileTrial(bait, ['root']), datagramTrial(['udp']), rawSocketTrial()],
  });
}

function rawSocketTrial(): Trial<Guard> {
  const socket = callNumber('socket', filterArchitecture() ?? 'x64')!;
  const [AF_INET, SOCK_RAW, IPPROTO_ICMP] = [2, 3, 1];
  return {
    name: 'raw sockets',
    attempt: { try: 'call', number: socket, arguments: [AF_INET, SOCK_RAW, IPPROTO_ICMP] },
    without: ['seccomp:raw', 'seccomp:protocols', 'capabilities'],
    reached: ({ reached }) => reached,
  };
}
