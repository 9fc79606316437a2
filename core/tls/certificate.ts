/** X.509 version 3 certificates with ECDSA P-256 and SHA-256 (RFC 5280): a CA's own and those for servers. */
import { createHash, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { canonicalHost } from '../names/host.ts';
import { bitString, boolean, integer, objectIdentifier, octetString, sequence, set, tagged, time, utf8String } from './der.ts';

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** X.520's upper bound on a common name. */
const MAX_COMMON_NAME = 64;

export interface Validity {
  readonly from: Date;
  readonly to: Date;
}

export interface DistinguishedName {
  readonly organization?: string;
  readonly commonName?: string;
}

/** The certificate of a CA that may sign servers and no further CA, signed by itself. DER. */
export function authorityCertificate(name: DistinguishedName, publicKey: KeyObject, privateKey: KeyObject, validity: Validity): Buffer {
  const identifier = keyIdentifier(publicKey);
  return signed(privateKey, name, name, publicKey, validity, [
    extension(OID.basicConstraints, sequence(boolean(true), integer(Buffer.from([0]))), true),
    // keyCertSign and cRLSign.
    extension(OID.keyUsage, bitString(Buffer.from([0x06]), 1), true),
    extension(OID.subjectKeyIdentifier, octetString(identifier)),
    extension(OID.authorityKeyIdentifier, sequence(tagged(0x80, identifier))),
  ]);
}

/** A server's certificate for one name or address, signed by the CA. DER. */
export function serverCertificate(
  host: string,
  publicKey: KeyObject,
  issuer: { readonly name: DistinguishedName; readonly publicKey: KeyObject; readonly privateKey: KeyObject },
  validity: Validity,
): Buffer {
  const subject = host.length <= MAX_COMMON_NAME ? { commonName: host } : {};
  return signed(issuer.privateKey, issuer.name, subject, publicKey, validity, [
    extension(OID.basicConstraints, sequence(), true),
    // digitalSignature.
    extension(OID.keyUsage, bitString(Buffer.from([0x80]), 7), true),
    extension(OID.extendedKeyUsage, sequence(objectIdentifier(OID.serverAuth))),
    extension(OID.subjectKeyIdentifier, octetString(keyIdentifier(publicKey))),
    extension(OID.authorityKeyIdentifier, sequence(tagged(0x80, keyIdentifier(issuer.publicKey)))),
    // Critical where the subject is empty (RFC 5280, section 4.2.1.6).
    extension(OID.subjectAltName, sequence(alternativeName(host)), subject.commonName === undefined),
  ]);
}

export function pem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

function signed(key: KeyObject, issuer: DistinguishedName, subject: DistinguishedName, publicKey: KeyObject, validity: Validity, extensions: Buffer[]): Buffer {
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    distinguishedName(issuer),
    sequence(time(validity.from), time(validity.to)),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions)),
  );
  return sequence(body, algorithm, bitString(sign('sha256', body, key)));
}

function distinguishedName(name: DistinguishedName): Buffer {
  const attribute = (type: string, value: string): Buffer => set(sequence(objectIdentifier(type), utf8String(value)));
  const parts: Buffer[] = [];
  if (name.organization !== undefined) parts.push(attribute(OID.organization, name.organization));
  if (name.commonName !== undefined) parts.push(attribute(OID.commonName, name.commonName));
  return sequence(...parts);
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return critical ? sequence(objectIdentifier(id), boolean(true), octetString(value)) : sequence(objectIdentifier(id), octetString(value));
}

/** SHA-1 of the public key's bits (RFC 5280, section 4.2.1.2, method 1). */
function keyIdentifier(key: KeyObject): Buffer {
  // The bits are the last 65 bytes of a P-256 SubjectPublicKeyInfo.
  return createHash('sha1').update(key.export({ type: 'spki', format: 'der' }).subarray(-65)).digest();
}

function alternativeName(host: string): Buffer {
  // An address with a zone is none that a certificate could hold.
  const address = isIP(host) ? canonicalHost(host) : null;
  return address === null ? tagged(0x82, Buffer.from(host, 'latin1')) : tagged(0x87, addressBytes(address));
}

/** @param address canonical, so that an embedded IPv4 tail is two groups. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::') as [string, string?];
  const left = head === '' ? [] : head.split(':');
  const right = !tail ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...new Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
