/** What the record says of a certificate. */
import type { X509Certificate } from 'node:crypto';
import type { PeerCertificateRecord } from '../record-parts.ts';

export function certificateRecord(certificate: X509Certificate): PeerCertificateRecord {
  return {
    subject: certificate.subject ?? '',
    issuer: certificate.issuer ?? '',
    serial: certificate.serialNumber,
    sha256: fingerprint(certificate),
    valid_from: new Date(certificate.validFrom).toISOString(),
    valid_to: new Date(certificate.validTo).toISOString(),
    alt_names: certificate.subjectAltName ?? '',
  };
}

/** SHA-256 in hex, without colons. */
export function fingerprint(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}
