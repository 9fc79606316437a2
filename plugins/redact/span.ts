/** Bytes to mask: from `start` up to `end`, which may lie beyond the end of a text that was cut. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Of a raw connection: `up` is what the client sent. */
export type Direction = 'up' | 'down';
