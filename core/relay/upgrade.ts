/** A connection that changes its protocol (RFC 9110, section 7.8): from then on its bytes pass as they are. */
import type { Duplex } from 'node:stream';
import type { ClientExchange, ResponseHead } from '../exchange.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import { splice, type SpliceEnd } from './splice.ts';

/** Forwards the 101 and joins both connections. False, with nothing done, where the client has not asked for it. */
export function joinUpgraded(flow: HttpFlow, client: ClientExchange, head: ResponseHead, upstream: Duplex, done: (end: SpliceEnd) => void): boolean {
  if (!client.head.wantsUpgrade) return false;
  flow.response = head;
  flow.responseStarted = performance.now();
  client.inform(head);
  splice(client.detach()!, upstream, flow.connection.host, flow.tunnelled, done);
  return true;
}
