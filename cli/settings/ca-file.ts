/** Files of CA certificates in PEM. */
import { X509Certificate } from 'node:crypto';
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import type { SourceFiles } from './source-file.ts';

export interface TrustedCa {
  /** Absolute path of the file. */
  readonly file: string;
  readonly pem: string;
}

/** Throws `trusted_ca_invalid` at the place that names the file. */
export function readCa(files: SourceFiles, file: string, place: ErrorPlace): TrustedCa {
  const { text, shown } = files.read(file, { what: 'CA file', place, anyBytes: true });
  const refuse = (reason: string, cause?: unknown) => new MentuError('trusted_ca_invalid', { file: shown, reason }, { cause, place });
  const blocks = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g);
  if (!blocks) throw refuse(text.includes('PRIVATE KEY-----') ? 'it holds a private key' : 'it is not PEM');
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch (error) {
      throw refuse(`its certificate ${index + 1} does not parse`, error);
    }
  }
  return { file, pem: `${blocks.join('\n')}\n` };
}
