/** A tunnel through a SOCKS5 proxy (RFC 1928), with a user name and password where it wants them (RFC 1929). Names go to the proxy unresolved. */
import type { Socket } from 'node:net';
import { addressBytes } from '../names/address.ts';
import { readAnswer, type Parsed } from './tunnel-reader.ts';
import type { ProxyCredentials, TunnelTarget } from './tunnel-target.ts';

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** RFC 1928, section 6. */
const REPLIES = ['succeeded', 'general failure', 'connection not allowed', 'network unreachable', 'host unreachable', 'connection refused', 'TTL expired', 'command not supported', 'address type not supported'];

/** Resolves when the proxy has connected the socket to the target. Rejects with the proxy's reply as the message. */
export async function openSocksTunnel(socket: Socket, target: TunnelTarget, credentials: ProxyCredentials | null): Promise<void> {
  const methods = credentials ? [NO_AUTHENTICATION, USER_AND_PASSWORD] : [NO_AUTHENTICATION];
  socket.write(Uint8Array.of(VERSION, methods.length, ...methods));
  const [, method] = await readAnswer(socket, (bytes) => fixed(bytes, 2, VERSION));
  if (method === USER_AND_PASSWORD && credentials) await authenticate(socket, credentials);
  else if (method !== NO_AUTHENTICATION) throw new Error(credentials ? 'it takes no user name and password' : 'it wants a user name and password');

  socket.write(Buffer.concat([Uint8Array.of(VERSION, CONNECT, 0), encodeHost(target.host), Uint8Array.of(target.port >> 8, target.port & 255)]));
  const reply = await readAnswer(socket, parseSocksReply);
  if (reply !== 0) throw new Error(`it answered: ${REPLIES[reply] ?? `reply ${reply}`}`);
}

async function authenticate(socket: Socket, { user, password }: ProxyCredentials): Promise<void> {
  const [name, secret] = [Buffer.from(user), Buffer.from(password)];
  socket.write(Buffer.concat([Uint8Array.of(1, name.length), name, Uint8Array.of(secret.length), secret]));
  const [, status] = await readAnswer(socket, (bytes) => fixed(bytes, 2, 1));
  if (status !== 0) throw new Error('it refused the user name and password');
}

function encodeHost(host: string): Uint8Array {
  const address = addressBytes(host);
  if (address) return Uint8Array.of(address.length === 4 ? IPV4 : IPV6, ...address);
  const name = Buffer.from(host, 'latin1');
  return Uint8Array.of(NAME, name.length, ...name);
}

function fixed(bytes: Buffer, length: number, version: number): Parsed<Buffer> | null {
  if (bytes.length > 0 && bytes[0] !== version) throw new Error('it does not answer as a SOCKS5 proxy');
  return bytes.length < length ? null : { value: bytes.subarray(0, length), length };
}

/** Throws where it is no reply of SOCKS5. */
export function parseSocksReply(bytes: Buffer): Parsed<number> | null {
  const head = fixed(bytes, 5, VERSION);
  if (head === null) return null;
  const [, reply, , type, first] = head.value as unknown as [number, number, number, number, number];
  const hostLength = type === IPV4 ? 4 : type === IPV6 ? 16 : type === NAME ? 1 + first : null;
  if (hostLength === null) throw new Error('it does not answer as a SOCKS5 proxy');
  const length = 4 + hostLength + 2;
  return bytes.length < length ? null : { value: reply, length };
}
