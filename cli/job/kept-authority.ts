/** A certificate authority that outlives a run, for clients that are told to trust it once: `--ca-dir`. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertificateAuthority } from '../../core/capture.ts';
import { MentuError } from '../../core/index.ts';
import { writePrivately } from './job-folder.ts';

/** A year; each server certificate is good for a day all the same. */
const LIFETIME = 365 * 24 * 3_600_000;
const CERTIFICATE = 'ca.pem';
const KEY = 'ca-key.pem';

export class KeptAuthority {
  readonly #folder: string;

  /** @param folder absolute; made with mode 0700 where there is none. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The authority that is kept there, or a new one that is from now on. Throws `ca_invalid`. */
  open(): CertificateAuthority {
    const certificate = join(this.#folder, CERTIFICATE);
    const key = join(this.#folder, KEY);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    if (!existsSync(key)) {
      const authority = CertificateAuthority.create('kept', LIFETIME);
      const files = authority.export();
      writePrivately(key, files.key);
      writePrivately(certificate, files.certificate);
      chmodSync(certificate, 0o644);
      return authority;
    }
    const stats = lstatSync(key);
    if (!stats.isFile() || (stats.mode & 0o077) !== 0) throw new MentuError('ca_invalid', { reason: `${KEY} must be a plain file that its owner alone can read (mode 0600)` });
    return CertificateAuthority.load({ certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') });
  }
}
