/**
 * A Java trust store, written without Java: the JKS format, which every JRE reads as its `cacerts` whatever its
 * default type (`keystore.type.compat`). Layout: sun.security.provider.JavaKeyStore, version 2.
 */
import { createHash } from 'node:crypto';

const MAGIC = 0xfeedfeed;
const VERSION = 2;
const TRUSTED_CERTIFICATE = 2;
/** The password every JRE expects of its `cacerts`; it guards nothing. */
const PASSWORD = 'changeit';

/** `certificates`: DER. `since`: the entries' date, in milliseconds since 1970. */
export function javaKeystore(certificates: readonly Buffer[], since: number): Buffer {
  const entries = certificates.flatMap((der, index) => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(TRUSTED_CERTIFICATE);
    const date = Buffer.alloc(8);
    date.writeBigUInt64BE(BigInt(since));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(der.length);
    return [head, text(`ca-${index}`), date, text('X.509'), length, der];
  });
  const head = Buffer.alloc(12);
  head.writeUInt32BE(MAGIC, 0);
  head.writeUInt32BE(VERSION, 4);
  head.writeUInt32BE(certificates.length, 8);
  const body = Buffer.concat([head, ...entries]);
  const password = Buffer.from(PASSWORD, 'utf16le').swap16();
  const digest = createHash('sha1').update(password).update('Mighty Aphrodite').update(body).digest();
  return Buffer.concat([body, digest]);
}

/** A string in Java's DataOutput form; ASCII only, as all names here are. */
function text(value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(value.length);
  return Buffer.concat([length, Buffer.from(value, 'latin1')]);
}
