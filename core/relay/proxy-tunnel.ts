/**
 * A client that asks a proxy of its own choice for a tunnel (CONNECT, RFC 9110, section 9.3.6): the request is a flow
 * like any other, and what goes on inside of the tunnel is a session of its own, with the destination that was asked for.
 */
import { MentuError } from '../errors.ts';
import type { RequestHead, ResponseHead, UpstreamEvents } from '../exchange.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import { splitAuthority } from '../names/authority.ts';
import { destinationOf } from '../names/destination.ts';
import type { Dialled, DialRequest, UpstreamDialler } from '../upstream/dialler.ts';
import type { UpstreamLink } from '../upstream/link.ts';
import type { LinkFacts } from '../upstream/opening.ts';
import { ReadyDialler } from '../upstream/ready-dialler.ts';
import type { Session } from './stage.ts';
import { requestFor } from './translation.ts';

/** Lets the flow lead to the tunnel's own session. What is wrong with the target already, or null. */
export function prepareTunnel(session: Session, flow: HttpFlow, head: RequestHead): MentuError | null {
  const { host } = splitAuthority(head.authority)!;
  try {
    session.dialler.vet(host);
  } catch (error) {
    if (error instanceof MentuError) return error;
    throw error;
  }
  flow.tunnel = (client, upstream) => {
    // As plugins have left it.
    const target = splitAuthority(head.authority)!;
    const further = new TunnelDialler(flow.connection.link!, head, session.dialler);
    const first = Promise.resolve(dialledBy(flow.upstream!, upstream));
    session.nest(client, destinationOf(target.host, target.port!), new ReadyDialler(first, further));
  };
  return null;
}

/** Opens further tunnels to the same target, as the client has asked for the first. */
class TunnelDialler implements UpstreamDialler {
  readonly #link: UpstreamLink;
  readonly #head: RequestHead;
  readonly #own: UpstreamDialler;

  constructor(link: UpstreamLink, head: RequestHead, own: UpstreamDialler) {
    this.#link = link;
    this.#head = head;
    this.#own = own;
  }

  vet(host: string): void {
    this.#own.vet(host);
  }

  dial({ host, signal }: DialRequest): Promise<Dialled> {
    return new Promise((resolve, reject) => {
      let facts: LinkFacts | null = null;
      const fail = (reason: string): void => reject(new MentuError('upstream_proxy_failed', { proxy: this.#link.target.host, host, reason }));
      const events: UpstreamEvents = {
        onInform: () => {},
        onResponse: ({ status, statusText }: ResponseHead) => fail(`it answered ${status} ${statusText}`.trimEnd()),
        onResponseData: () => {},
        onResponseEnd: () => {},
        onUpstreamDrain: () => {},
        onUpstreamError: (error) => reject(error),
        onUpgrade: (_head, upstream) => {
          if (signal?.aborted) upstream.destroy();
          else resolve(dialledBy(facts!, upstream));
        },
      };
      signal?.addEventListener('abort', () => {
        this.#link.cancel(events);
        reject(signal.reason);
      }, { once: true });
      const onConnection = (found: LinkFacts): RequestHead => {
        facts = found;
        return requestFor(this.#head, found.httpVersion, false);
      };
      this.#link.dispatch(onConnection, events, (exchange) => exchange.end(null));
    });
  }
}

function dialledBy({ address, port, timing }: LinkFacts, socket: Dialled['socket']): Dialled {
  socket.on('error', () => {});
  return { socket, address, port, proxy: null, timing: { dns: timing.dns, connect: timing.connect } };
}
