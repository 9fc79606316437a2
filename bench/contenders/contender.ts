/** What is measured: a CONNECT proxy in a process of its own, and what it wrote down. */
import type { OriginFiles } from '../certificates.ts';
import type { ServerProcess } from '../server-process.ts';

export interface Setting {
  /** The contender's own, empty. */
  readonly directory: string;
  readonly files: OriginFiles;
}

export interface Contender {
  /** The row's name. */
  readonly name: string;
  /** Everything that it writes; null where it writes nothing. */
  readonly directory: string | null;
  /** What it writes down of a flow. */
  readonly records: string;
  /** Null goes straight to the origin. */
  readonly port: number | null;
  readonly process: ServerProcess | null;
  /** Flows of the small body that its record has by now; null where it keeps none. */
  recorded(): Promise<number | null>;
  /** Ends it, after which its record is complete. Gives what is wrong with it. */
  close(): Promise<string[]>;
}
