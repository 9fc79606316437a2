/**
 * Keeps the memory of forwarded bodies small. Each read from the network is a new buffer of up to 64 KiB, and V8 lets
 * 64 MiB of dead ones pile up before it collects them. A collection of the young generation for each few MiB that
 * pass takes about a millisecond and keeps the process at a third of that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of bodies between two collections. */
const INTERVAL = 4 * 1024 * 1024;

type Collect = (options: { readonly type: 'minor' }) => void;

export class BufferReclaimer {
  #passed = 0;
  #collect: Collect | null = null;

  passed(bytes: number): void {
    this.#passed += bytes;
    if (this.#passed < INTERVAL) return;
    this.#passed = 0;
    this.#collect ??= exposedCollector();
    this.#collect({ type: 'minor' });
  }
}

/** The collector becomes visible in new contexts alone: the globals of this one stay as they are. */
function exposedCollector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
