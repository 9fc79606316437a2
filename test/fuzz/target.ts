/** A parser of ours that is fed mutated bytes. Each file under `targets/` has one as its default export. */
export interface FuzzTarget {
  /** The parser, as the report names it. */
  readonly name: string;
  /** Whole and well-formed inputs from which the others are made. */
  readonly inputs: readonly Buffer[];
  /**
   * Parses one input from the beginning, in one piece or several, as it would come off the wire. Returns where the
   * parser refused it in an orderly way (a `MentuError`, or whatever else its contract says); throws for all else.
   * @param random numbers in [0, 1) of the run's seed, for instance to cut the input in pieces.
   */
  parse(input: Buffer, random: () => number): void;
}
