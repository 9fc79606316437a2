/** What is measured: a CONNECT proxy in a process of its own, and what it wrote down. */
import type { OriginFiles } from '../certificates.ts';
import type { ServerProcess } from '../server-process.ts';

export interface Setting {
  /** The contender's own, empty. */
  readonly directory: string;
  readonly files: OriginFiles;
  readonly originPort: number;
}

export interface Contender {
  /** The row's name. */
  readonly name: string;
  /** What it writes down of a flow. */
  readonly records: string;
  readonly version: string;
  /** Null goes straight to the origin. */
  readonly port: number | null;
  readonly process: ServerProcess | null;
  readonly speaksHttp2: boolean;
  /** Flows of the small body that its record has by now; null where it keeps none. */
  recorded(): Promise<number | null>;
  /** Ends it, after which its record is complete. Gives what is wrong with it. */
  close(): Promise<string[]>;
}
