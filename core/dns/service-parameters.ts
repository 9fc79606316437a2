/** Service parameters, the last field of SVCB and HTTPS records (RFC 9460, sections 2.2 and 14.3.2; `ech`: RFC 9848). */
import { addressText } from '../names/address.ts';
import { Malformed, nameAt } from './name.ts';

const MANDATORY = 0;
const ALPN = 1;
const NO_DEFAULT_ALPN = 2;
/** HTTP/3 and its drafts, by their ALPN names. */
const HTTP3 = /^(?:h3|hq)(?:-|$)/;
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
 * The data of an SVCB or HTTPS record without the keys of Encrypted ClientHello and without addresses; without HTTP/3 as
 * well where it is not `http3`. None of them is named as mandatory any more. The very same bytes where there were none; null where
 * nothing is left that a client could speak. Throws `Malformed`.
 */
export function servedParameters(data: Buffer, http3: boolean): Buffer | null {
  if (data.length < 3) throw new Malformed('a service record is cut off');
  const { end } = nameAt(data, 2);
  const parameters = readParameters(data.subarray(end));
  let isChanged = false;
  const kept = parameters.flatMap((parameter): Parameter[] => {
    const value = KEPT_BACK.has(parameter.key) ? null : parameter.key === ALPN && !http3 ? withoutHttp3(parameter.value) : parameter.value;
    isChanged ||= value !== parameter.value;
    return value === null ? [] : [{ ...parameter, value }];
  });
  if (!isChanged) return data;
  const keys = new Set(kept.map(({ key }) => key));
  if (keys.has(NO_DEFAULT_ALPN) && !keys.has(ALPN)) return null;
  const written = kept.flatMap(({ key, value }) => {
    const own = key === MANDATORY ? mandatory(value, keys) : value;
    if (key === MANDATORY && own.length === 0) return [];
    const head = Buffer.alloc(4);
    head.writeUInt16BE(key, 0);
    head.writeUInt16BE(own.length, 2);
    return [head, own];
  });
  return Buffer.concat([data.subarray(0, end), ...written]);
}

/** The very same bytes where HTTP/3 is not among them, null where it is all there is. */
function withoutHttp3(value: Buffer): Buffer | null {
  const names = protocolNames(value);
  const kept = names.filter((name) => !HTTP3.test(name.toString('latin1')));
  if (kept.length === names.length) return value;
  return kept.length === 0 ? null : Buffer.concat(kept.flatMap((name) => [Buffer.from([name.length]), name]));
}

function mandatory(keys: Buffer, present: ReadonlySet<number>): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at + 2 <= keys.length; at += 2) if (present.has(keys.readUInt16BE(at))) kept.push(keys.subarray(at, at + 2));
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
  return protocolNames(value).map((name) => name.toString('latin1').replace(/[",\\ ]|[^\x21-\x7e]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`));
}

function protocolNames(value: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at < value.length; at += 1 + value[at]!) {
    if (at + 1 + value[at]! > value.length) throw new Malformed('a list of protocols is cut off');
    names.push(value.subarray(at + 1, at + 1 + value[at]!));
  }
  return names;
}
