/** Finders of secrets by their names: in forms and addresses, in XML, in multipart forms and in plain text. */
import { MASK, where, type Finder } from './mask.ts';
import type { SecretNames } from './secret-names.ts';

/** So much of a value tells whether it looks like a secret. Characters. */
const GLIMPSE = 500;

/** `name=value` in a query, a fragment or a form that stands in other text. */
export function queryFields(names: SecretNames): Finder {
  return where('=', named(names, /(?<=^|[&?;#])([^&=?#;\s"'<>\\]{1,128})=/g, /([^&#\s"<>\\]+)/y));
}

/** `name=value` in a body that is a form (`application/x-www-form-urlencoded`). */
export function formFields(names: SecretNames): Finder {
  return named(names, /(?<=^|&)([^&=]{1,128})=/g, /([^&]+)/y);
}

/** `name: value`, `name=value`, `name = "value"` in source, logs, headers and YAML. Short bare values are words of prose. */
export function assignments(names: SecretNames): Finder {
  return named(
    names,
    /(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]{2,64})\\?["']?\s{0,8}[:=]\s{0,8}/g,
    /\\?(?:"([^"\\\r\n]{4,})|'([^'\\\r\n]{4,})|(?:(?:Bearer|Basic|Digest|Token)\s{1,8})?([^\s"'`&,;<>(){}[\]\\]{6,}))/iy,
  );
}

/** `<name>value</name>`, with or without a prefix, attributes and CDATA. */
export function xmlElements(names: SecretNames): Finder {
  return where('<', named(names, /<(?:[A-Za-z_][\w.-]{0,63}:)?([A-Za-z_][\w.-]{0,63})(?:\s[^<>]{0,500})?>/g, /\s{0,100}(?:<!\[CDATA\[)?([^<\s][^<]*)/y));
}

/** Parts of `multipart/form-data` (RFC 7578), told by the name in their Content-Disposition. */
export function multipartFields(names: SecretNames, contentType: string): Finder {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  const delimiter = `\n--${boundary?.[1] ?? boundary?.[2] ?? ''}`;
  const disposition = /^content-disposition:([^\r\n]{0,600})\r?\n/gim;
  const name = /[;\s]name=(?:"([^"]{1,128})"|([^\s";]{1,128}))/i;
  const otherHeaders = /(?:[^\r\n]{1,500}\r?\n){0,8}\r?\n/y;
  return (text, from) => {
    disposition.lastIndex = from;
    for (let match = disposition.exec(text); match !== null; match = disposition.exec(text)) {
      const field = name.exec(match[1]!);
      otherHeaders.lastIndex = disposition.lastIndex;
      if (field === null || !otherHeaders.test(text)) continue;
      const start = otherHeaders.lastIndex;
      if (!names.isSecret((field[1] ?? field[2])!, () => text.slice(start, start + GLIMPSE).split(/\r?\n/, 1)[0]!)) continue;
      const next = text.indexOf(delimiter, start - 1);
      const end = next === -1 ? text.length : text[next - 1] === '\r' ? next - 1 : next;
      if (end <= start || text.startsWith(MASK, start)) continue;
      return { begin: match.index, start, end, mask: MASK };
    }
    return null;
  };
}

/**
 * `name` finds a name and what parts it from its value; `value`, right after it, has the value in one of its groups.
 * Text after a name that is not secret is looked at again, for it may hold one that is: a value is read
 * to its end only where it is masked, which keeps the time linear in the text.
 */
function named(names: SecretNames, name: RegExp, value: RegExp): Finder {
  const read = (text: string, at: number): string | null => {
    value.lastIndex = at;
    const found = value.exec(text);
    return found === null ? null : (found[1] ?? found[2] ?? found[3] ?? null);
  };
  return (text, from) => {
    name.lastIndex = from;
    for (let match = name.exec(text); match !== null; match = name.exec(text)) {
      const start = name.lastIndex;
      if (!names.isSecret(match[1]!, () => read(text.slice(start, start + GLIMPSE), 0) ?? '')) continue;
      const secret = read(text, start);
      if (secret === null || secret === MASK) continue;
      const end = value.lastIndex;
      return { begin: match.index, start: end - secret.length, end, mask: MASK };
    }
    return null;
  };
}
