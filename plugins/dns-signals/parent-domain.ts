/** The domain that somebody registered, by Mozilla's Public Suffix List. */
import { getDomain } from 'tldts';

/** Names are hosts already, and may have labels that no host has. Suffixes under which companies give out names count as well. */
const OPTIONS = { extractHostname: false, validateHostname: false, detectIp: false, allowPrivateDomains: true } as const;

/** `example.co.uk` of `a.b.example.co.uk`; a name that is itself a suffix is its own parent. */
export function parentDomain(name: string): string {
  return getDomain(name, OPTIONS) ?? name;
}
