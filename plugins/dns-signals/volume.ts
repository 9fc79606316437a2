/** What is asked of each parent domain in one job. Memory is bounded: of too many domains, the one that was asked for longest ago goes first. */
export interface Volume {
  queries: number;
  /** Of questions and answers. */
  bytes: number;
}

export class VolumeTable {
  readonly #most: number;
  readonly #volumes = new Map<string, Volume>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Adds one query, and returns what there was with it. */
  add(parent: string, bytes: number): Volume {
    const { queries, bytes: before } = this.#volumes.get(parent) ?? { queries: 0, bytes: 0 };
    const volume = { queries: queries + 1, bytes: before + bytes };
    // Maps keep the order of insertion, so the first was asked for longest ago.
    this.#volumes.delete(parent);
    if (this.#volumes.size >= this.#most) this.#volumes.delete(this.#volumes.keys().next().value!);
    this.#volumes.set(parent, volume);
    return volume;
  }
}
