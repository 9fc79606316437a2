/** What a job writes into its folder beside the record, if its settings ask for it: the keys of its connections, and its packets. */
import { join, relative } from 'node:path';
import { KeyLog } from '../../core/capture.ts';
import type { MentuError } from '../../core/index.ts';
import { KeyFile } from '../packets/key-file.ts';
import { PacketFile } from '../packets/packet-file.ts';
import type { JobSettings } from '../settings/job-settings.ts';
import type { JobFolder } from './job-folder.ts';
import type { JobSummary } from './job-summary.ts';

type NamedFiles = Pick<JobSummary, 'record' | 'key_log' | 'pcap'>;

export const NO_FILES: NamedFiles = { record: null, key_log: null, pcap: null };

export class JobFiles {
  /** Null where nobody wants keys. */
  readonly keyLog: KeyLog | null;
  readonly packets: PacketFile | null;
  readonly #keys: KeyFile | null;
  readonly #folder: string;
  #closed: Promise<void> | null = null;

  /** Makes the files. Throws `record_not_writable`. */
  constructor({ keys, record }: Pick<JobSettings, 'keys' | 'record'>, folder: JobFolder, warn: (error: MentuError) => void) {
    this.#folder = folder.path;
    const keyFile = keys.keyLog ? new KeyFile({ path: this.#path('keys.log'), warn }) : null;
    const packets = keys.pcap ? new PacketFile({ path: this.#path('traffic.pcapng'), limit: record.bodyQuota, warn }) : null;
    this.#keys = keyFile;
    this.packets = packets;
    const takers = [...(keyFile ? [(line: string) => keyFile.add(line)] : []), ...(packets ? [(line: string) => packets.addKeys(line)] : [])];
    this.keyLog = takers.length > 0 ? new KeyLog(takers) : null;
  }

  /** The files as the summary names them, from a directory. */
  named(from: string): NamedFiles {
    const named = (name: string): string => relative(from, this.#path(name));
    return { record: named('flows.jsonl'), key_log: this.#keys && named('keys.log'), pcap: this.packets && named('traffic.pcapng') };
  }

  /** After the capture: no handshake is left. May be called more than once. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.packets?.close();
      this.#keys?.close();
    })();
    return this.#closed;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
