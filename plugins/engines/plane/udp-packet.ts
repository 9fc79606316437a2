/** Addresses as the kernel writes them, and the ICMP messages by which a port is said to be closed (RFC 792; RFC 4443, section 3.1). */
import { isIPv4 } from 'node:net';
import type { IpFamily } from '../libc.ts';

const AF = { 4: 2, 6: 10 } as const;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const HOP_LIMIT = 64;

export interface Place {
  readonly address: string;
  readonly port: number;
}

export function familyOf(address: string): IpFamily {
  return isIPv4(address) ? 4 : 6;
}

export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes an embedded IPv4 tail as two groups.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::') as [string, string?];
  const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const [left, right] = [groups(head), groups(tail)];
  const all = tail === undefined ? left : [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** struct sockaddr_in or sockaddr_in6. */
export function socketAddress({ address, port }: Place): Buffer {
  const family = familyOf(address);
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(AF[family], 0);
  bytes.writeUInt16BE(port, 2);
  addressBytes(address).copy(bytes, family === 4 ? 4 : 8);
  return bytes;
}

/** Null where it is neither of the two. */
export function readSocketAddress(bytes: Buffer, at = 0): Place | null {
  const family = bytes.readUInt16LE(at);
  const port = bytes.readUInt16BE(at + 2);
  if (family === AF[4]) return { address: bytes.subarray(at + 4, at + 8).join('.'), port };
  if (family !== AF[6]) return null;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 8 + 2 * i).toString(16));
  return { address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port };
}

/** The address that follows a control message's head (struct cmsghdr, 16 bytes); null where there is none. */
export function readControl(control: Buffer): Place | null {
  return control.readUInt32LE(0) > 16 ? readSocketAddress(control, 16) : null;
}

/** The IP packet by which `to` says to `from` that nobody listens there, for a datagram of so many bytes. */
export function portUnreachable(from: Place, to: Place, length: number): Buffer {
  const [client, server] = [addressBytes(from.address), addressBytes(to.address)];
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(from.port, 0);
  udp.writeUInt16BE(to.port, 2);
  udp.writeUInt16BE(8 + length, 4);
  const isV4 = client.length === 4;
  const refused = Buffer.concat([isV4 ? header4(client, server, UDP, 8 + length) : header6(client, server, UDP, 8 + length), udp]);
  const message = Buffer.concat([Buffer.from(isV4 ? [3, 3, 0, 0, 0, 0, 0, 0] : [1, 4, 0, 0, 0, 0, 0, 0]), refused]);
  if (isV4) {
    message.writeUInt16BE(checksum(message), 2);
    return Buffer.concat([header4(server, client, ICMP, message.length), message]);
  }
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo[7] = ICMPV6;
  message.writeUInt16BE(checksum(Buffer.concat([server, client, pseudo, message])), 2);
  return Buffer.concat([header6(server, client, ICMPV6, message.length), message]);
}

function header4(source: Buffer, destination: Buffer, protocol: number, length: number): Buffer {
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(Math.min(20 + length, 0xffff), 2);
  head[8] = HOP_LIMIT;
  head[9] = protocol;
  source.copy(head, 12);
  destination.copy(head, 16);
  head.writeUInt16BE(checksum(head), 10);
  return head;
}

function header6(source: Buffer, destination: Buffer, protocol: number, length: number): Buffer {
  const head = Buffer.alloc(8);
  head[0] = 0x60;
  head.writeUInt16BE(Math.min(length, 0xffff), 4);
  head[6] = protocol;
  head[7] = HOP_LIMIT;
  return Buffer.concat([head, source, destination]);
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
