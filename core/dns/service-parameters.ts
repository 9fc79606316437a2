/** Service parameters, the last field of SVCB and HTTPS records (RFC 9460, sections 2.2 and 14.3.2; `ech`: RFC 9848). */
import { addressText } from '../names/address.ts';
import { Malformed, nameAt } from './name.ts';

const MANDATORY = 0;
const KEYS = ['mandatory', 'alpn', 'no-default-alpn', 'port', 'ipv4hint', 'ech', 'ipv6hint', 'dohpath', 'ohttp'];
/** A guest must get to a server by its name, and in a form that can be read. */
const KEPT_BACK: ReadonlySet<number> = new Set([KEYS.indexOf('ipv4hint'), KEYS.indexOf('ech'), KEYS.indexOf('ipv6hint')]);

interface Parameter {
  readonly key: number;
  readonly value: Buffer;
}

function readParameters(bytes: Buffer): Parameter[] {
  const parameters: Parameter[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw new Malformed('a service parameter is cut off');
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw new Malformed('a service parameter is cut off');
    parameters.push({ key: bytes.readUInt16BE(at), value: bytes.subarray(at + 4, end) });
    at = end;
  }
  return parameters;
}

/**
 * The data of an SVCB or HTTPS record without the keys of Encrypted ClientHello and without addresses, and not named as
 * mandatory any more; the very same bytes where there were none. Throws `Malformed`.
 */
export function withoutAddressesAndKeys(data: Buffer): Buffer {
  if (data.length < 3) throw new Malformed('a service record is cut off');
  const { end } = nameAt(data, 2);
  const parameters = readParameters(data.subarray(end));
  const kept = parameters.filter(({ key }) => !KEPT_BACK.has(key)).map((parameter) => (parameter.key === MANDATORY ? { key: MANDATORY, value: mandatory(parameter.value) } : parameter));
  if (kept.length === parameters.length) return data;
  const written = kept.flatMap(({ key, value }) => {
    if (key === MANDATORY && value.length === 0) return [];
    const head = Buffer.alloc(4);
    head.writeUInt16BE(key, 0);
    head.writeUInt16BE(value.length, 2);
    return [head, value];
  });
  return Buffer.concat([data.subarray(0, end), ...written]);
}

function mandatory(keys: Buffer): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at + 2 <= keys.length; at += 2) if (!KEPT_BACK.has(keys.readUInt16BE(at))) kept.push(keys.subarray(at, at + 2));
  return Buffer.concat(kept);
}

/** Throws `Malformed`. */
export function parametersText(bytes: Buffer): string {
  return readParameters(bytes)
    .map(({ key, value }) => {
      const text = valueText(key, value);
      return text === '' ? keyName(key) : `${keyName(key)}=${text}`;
    })
    .join(' ');
}

function keyName(key: number): string {
  return KEYS[key] ?? `key${key}`;
}

function valueText(key: number, value: Buffer): string {
  switch (KEYS[key]) {
    case 'mandatory':
      return every(value, 2).map((part) => keyName(part.readUInt16BE(0))).join(',');
    case 'alpn':
      return protocols(value).join(',');
    case 'port':
      return every(value, 2).map((part) => part.readUInt16BE(0)).join(',');
    case 'ipv4hint':
      return every(value, 4).map((part) => addressText(part)).join(',');
    case 'ipv6hint':
      return every(value, 16).map((part) => addressText(part)).join(',');
    case 'ech':
      return value.toString('base64');
    default:
      return value.toString('latin1').replace(/["\\,; ]|[^\x21-\x7e]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`);
  }
}

function every(value: Buffer, size: number): Buffer[] {
  if (value.length % size !== 0) throw new Malformed('a service parameter has a wrong length');
  return Array.from({ length: value.length / size }, (_, i) => value.subarray(i * size, (i + 1) * size));
}

function protocols(value: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at < value.length; at += 1 + value[at]!) {
    if (at + 1 + value[at]! > value.length) throw new Malformed('a list of protocols is cut off');
    names.push(value.toString('latin1', at + 1, at + 1 + value[at]!).replace(/[",\\ ]|[^\x21-\x7e]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`));
  }
  return names;
}
