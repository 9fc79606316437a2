/** Look-ups of addresses at DNS servers of the profile's choice, in the place of getaddrinfo. */
import { Resolver as ServerResolver } from 'node:dns';
import type { LookedUpAddress, Lookup } from './resolver.ts';

/** Milliseconds for one try, and how often each server is tried. */
const TRY_MS = 2_000;
const TRIES = 2;
/** What c-ares calls a name that is not there, or has no record of the type. */
const UNKNOWN: ReadonlySet<string | undefined> = new Set(['ENOTFOUND', 'ENODATA']);

/** @param servers addresses, each with an optional port. */
export function lookupAt(servers: readonly string[]): Lookup {
  const resolver = new ServerResolver({ timeout: TRY_MS, tries: TRIES });
  resolver.setServers(servers);
  return (name, _options, done) => {
    const found: Partial<Record<4 | 6, readonly LookedUpAddress[]>> = {};
    let failure: NodeJS.ErrnoException | null = null;
    let left = 2;
    const take = (family: 4 | 6) => (error: NodeJS.ErrnoException | null, addresses: string[]): void => {
      if (error && (failure === null || !UNKNOWN.has(error.code))) failure = error;
      found[family] = error ? [] : addresses.map((address) => ({ address, family }));
      if (--left > 0) return;
      const all = [...found[4]!, ...found[6]!];
      if (all.length > 0) return done(null, all);
      const isUnknown = UNKNOWN.has(failure?.code);
      done(Object.assign(new Error(isUnknown ? 'there is no such name' : failure!.message), { code: isUnknown ? 'ENOTFOUND' : 'EAI_AGAIN' }), []);
    };
    resolver.resolve4(name, take(4));
    resolver.resolve6(name, take(6));
  };
}
