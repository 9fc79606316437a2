/** Cuts an input in up to eight pieces, as it might come off the wire. */
export function inPieces(input: Buffer, random: () => number): Buffer[] {
  const cuts = Array.from({ length: Math.floor(random() * 8) }, () => Math.floor(random() * (input.length + 1))).sort((a, b) => a - b);
  return [...cuts, input.length].map((cut, at) => input.subarray(cuts[at - 1] ?? 0, cut));
}
