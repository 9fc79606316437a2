/** Credentials in the first bytes of raw connections, told by the protocol that is spoken, not by names or shapes. */
import { fieldsOf, linesOf } from './line-credentials.ts';
import { MASK } from './mask.ts';
import { bindsOf, connectOf, messagesOf, packetsOf } from './packet-credentials.ts';
import { commandsOf } from './resp-credentials.ts';
import type { Direction, Span } from './span.ts';

/** Null where credentials cannot be told apart from the rest. @param text the bytes as Latin-1. */
type SpanFinder = (text: string, direction: Direction) => Span[] | null;

const unreadable: SpanFinder = (_text, direction) => (direction === 'up' ? null : []);

/** All others are looked at as lines of text, also where nothing is known of the protocol. */
const FINDERS: Readonly<Record<string, SpanFinder>> = {
  postgresql: messagesOf,
  mysql: packetsOf,
  ldap: bindsOf,
  mqtt: connectOf,
  redis: commandsOf,
  telnet: unreadable,
  rfb: unreadable,
  tds: unreadable,
  smb: unreadable,
  mongodb: unreadable,
  cassandra: unreadable,
  kafka: unreadable,
  amqp: unreadable,
};

/** What a direction shows without its credentials; null where nothing of it may be shown. */
export function maskCredentials(protocol: string | null, direction: Direction, bytes: Buffer): { bytes: Buffer; count: number } | null {
  const text = bytes.toString('latin1');
  const found = protocol !== null && Object.hasOwn(FINDERS, protocol) ? FINDERS[protocol]!(text, direction) : linesOf(text, direction, protocol);
  if (found === null) return null;
  const spans = [...found, ...fieldsOf(text)].sort((a, b) => a.start - b.start);
  let output = '';
  let at = 0;
  let count = 0;
  for (const { start, end } of spans) {
    const stop = Math.min(end, text.length);
    if (stop <= start || stop <= at) continue;
    // Where two overlap, the first one's mask stands for both.
    if (start >= at) {
      output += text.slice(at, start) + MASK;
      count += 1;
    }
    at = stop;
  }
  return count === 0 ? { bytes, count } : { bytes: Buffer.from(output + text.slice(at), 'latin1'), count };
}
