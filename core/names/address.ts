/** Addresses as bytes in network order: 4 of IPv4, 16 of IPv6. */
import { isIPv4, isIPv6 } from 'node:net';
import { canonicalHost } from './host.ts';

/** The bytes of an address in its canonical text; null for anything else, also for an address with a zone. */
export function addressBytes(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return null;
  const canonical = canonicalHost(text);
  if (canonical === null) return null;
  const [head = '', tail] = canonical.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  before.forEach((group, i) => put(bytes, i, group));
  after.forEach((group, i) => put(bytes, 8 - after.length + i, group));
  return bytes;
}

/** The canonical text of an address. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const parts: string[] = [];
  for (let i = 0; i < 16; i += 2) parts.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16));
  return canonicalHost(parts.join(':'))!;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function put(bytes: Uint8Array, index: number, group: number): void {
  bytes[2 * index] = group >> 8;
  bytes[2 * index + 1] = group & 0xff;
}
