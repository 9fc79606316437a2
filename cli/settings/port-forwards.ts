/** Ports of the host's loopback that lead to ports of the guest: `"8080:80"`, or `"3000"` for the same on both sides. */
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import type { PortForward } from '../../plugins/engines/engine.ts';

/** One entry, or undefined where it is none. Ports are 1 to 65535. */
function parse(entry: string | number): PortForward | undefined {
  const parts = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(String(entry));
  if (!parts) return undefined;
  const host = Number(parts[1]);
  const guest = Number(parts[2] ?? parts[1]);
  return [host, guest].every((port) => port >= 1 && port <= 65_535) ? { host, guest } : undefined;
}

/** Throws `port_forward_invalid` with the place of the first entry that is none, or that takes a port of the host again. */
export function readPortForwards(entries: readonly (string | number)[], placeOf: (index: number) => ErrorPlace): PortForward[] {
  const taken = new Set<number>();
  return entries.map((entry, index) => {
    const forward = parse(entry);
    const refuse = (reason: string) => new MentuError('port_forward_invalid', { entry: String(entry), reason }, { place: placeOf(index) });
    if (!forward) throw refuse('is not of the form HOST:GUEST with ports from 1 to 65535');
    if (taken.has(forward.host)) throw refuse(`takes port ${forward.host} of the host a second time`);
    taken.add(forward.host);
    return forward;
  });
}

export function forwardText({ host, guest }: PortForward): string {
  return `${host}:${guest}`;
}
