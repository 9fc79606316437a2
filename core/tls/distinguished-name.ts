/** Distinguished names in DER (X.501), as text: `CN=Example CA, O=Example`. */

const NAMES: Readonly<Record<string, string>> = {
  '550403': 'CN',
  '550405': 'serialNumber',
  '550406': 'C',
  '550407': 'L',
  '550408': 'ST',
  '55040a': 'O',
  '55040b': 'OU',
  '0992268993f22c640119': 'DC',
  '2a864886f70d010901': 'emailAddress',
};

const SEQUENCE = 0x30;
const BMP_STRING = 0x1e;
const MAX_ATTRIBUTES = 50;
const MAX_TEXT = 300;

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** The most specific attribute first; null where the bytes are no name. */
export function distinguishedName(der: Buffer): string | null {
  const [whole] = elements(der);
  if (whole?.tag !== SEQUENCE) return null;
  const parts = elements(whole.content).flatMap((set) => elements(set.content).map(({ content }) => attribute(content)));
  if (parts.length === 0 || parts.length > MAX_ATTRIBUTES || parts.includes(null)) return null;
  return parts.toReversed().join(', ').slice(0, MAX_TEXT);
}

function attribute(content: Buffer): string | null {
  const [type, value] = elements(content);
  if (!type || !value) return null;
  const text = value.tag === BMP_STRING ? Buffer.from(value.content.subarray(0, value.content.length & ~1)).swap16().toString('utf16le') : value.content.toString('utf8');
  // A server names them, and the text goes to terminals.
  return `${NAMES[type.content.toString('hex')] ?? 'other'}=${text.replace(/[\p{C}]/gu, '?')}`;
}

/** The elements that stand one after the other; nothing where one of them is cut short. */
function elements(der: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < der.length; ) {
    if (found.length > MAX_ATTRIBUTES || at + 2 > der.length) return [];
    const tag = der[at]!;
    const first = der[at + 1]!;
    const size = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || size > 3 || at + 2 + size > der.length) return [];
    const length = size === 0 ? first : der.readUIntBE(at + 2, size);
    const start = at + 2 + size;
    if (start + length > der.length) return [];
    found.push({ tag, content: der.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}
