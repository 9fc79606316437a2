/** Opens the upstream of a raw connection: dialled, and secured where the client's side was. */
import { MentuError } from '../errors.ts';
import { dialRefusal } from '../relay/answer.ts';
import type { Session } from '../relay/stage.ts';
import type { Outcome, TimingRecord, UpstreamRecord } from '../record.ts';
import type { Dialled } from '../upstream/dialler.ts';
import { asMentuError } from '../upstream/link.ts';

/** Rejects with a `MentuError`. @param lent leaves with the connection's link, if it has one, what may be wanted there. */
export async function openUpstream({ connection, dialler }: Session, signal: AbortSignal, lent = false): Promise<Dialled> {
  const { host, destination, link, failure } = connection;
  if (failure) throw failure;
  try {
    // TLS to the client has its counterpart already.
    if (link) return await (lent ? link.lend() : link.take());
    const address = destination.name === null ? destination.address : null;
    return await dialler.dial({ host, address, port: destination.port, signal, allowHalfOpen: true });
  } catch (error) {
    throw asMentuError(error, host);
  }
}

/** How a connection ends whose upstream could not be opened: denied, where the dialler itself refused. */
export function openingFailure({ connection, services }: Session, error: MentuError): Outcome {
  const rule = dialRefusal(error);
  if (rule === null) return 'failed';
  services.recorder.violation(connection, { code: error.code, rule, host: connection.host, by: 'core' });
  connection.verdict = { action: 'deny', rule, code: error.code, by: 'core' };
  return 'denied';
}

export function upstreamFacts(dialled: Dialled | null): { readonly upstream: UpstreamRecord | null; readonly timing: Partial<TimingRecord> } {
  if (!dialled) return { upstream: null, timing: {} };
  const { address, port, tls, timing } = dialled;
  return { upstream: { address, port, http_version: null, reused: false, tls: tls ?? null }, timing: { dns: timing.dns, connect: timing.connect, tls: timing.tls ?? null } };
}
