/** Look-ups of addresses at DNS servers of the profile's choice, in the place of getaddrinfo. */
import { Resolver as ServerResolver } from 'node:dns';
import { systemError, type LookedUpAddress, type Lookup } from './resolver.ts';

/** Milliseconds for one try, and how often each server is tried. */
const TRY_MS = 2_000;
const TRIES = 2;
/** What c-ares calls a name that is not there, and one that has no record of the type. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOTFOUND', 'ENODATA']);

/** @param servers addresses, each with an optional port. */
export function lookupAt(servers: readonly string[]): Lookup {
  const resolver = new ServerResolver({ timeout: TRY_MS, tries: TRIES });
  resolver.setServers(servers);
  return (name, _options, done) => {
    const found: Partial<Record<4 | 6, readonly LookedUpAddress[]>> = {};
    const failures: NodeJS.ErrnoException[] = [];
    let left = 2;
    const take = (family: 4 | 6) => (error: NodeJS.ErrnoException | null, addresses: string[]): void => {
      if (error) failures.push(error);
      found[family] = error ? [] : addresses.map((address) => ({ address, family }));
      if (--left > 0) return;
      const all = [...found[4]!, ...found[6]!];
      if (all.length > 0) done(null, all);
      else done(failureOf(failures), []);
    };
    resolver.resolve4(name, take(4));
    resolver.resolve6(name, take(6));
  };
}

/** Of both families. A name that only lacks one of them is there. */
function failureOf(failures: readonly NodeJS.ErrnoException[]): NodeJS.ErrnoException {
  const unknown = failures.find(({ code }) => !ABSENT.has(code));
  if (unknown) return systemError('EAI_AGAIN', unknown.message);
  return failures.filter(({ code }) => code === 'ENOTFOUND').length === 2 ? systemError('ENOTFOUND', 'there is no such name') : systemError('ENODATA', 'it has no address');
}
