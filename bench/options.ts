/** The options of the benchmark's command line. */
import { parseArgs } from 'node:util';

export const PARTS = ['h1', 'h2', 'sse', 'download', 'streams', 'websocket', 'grpc', 'h3'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly parts: ReadonlySet<Part>;
  readonly rounds: number;
  /** Of load in each turn. */
  readonly seconds: number;
  readonly connections: number;
  readonly variants: boolean;
  readonly out: string | null;
}

export const USAGE = `npm run bench -- [--quick] [--only h1,h2,sse,download,streams,websocket,grpc,h3] [--rounds N] [--seconds N] [--connections N] [--no-variants] [--out FILE]

  --quick        one round of 2 s and no variants of our own proxy
  --only         the parts to run (default: all)
  --rounds       turns of each contender, in alternation (default 5; of all but h1 and h2 at most 3)
  --seconds      load in each turn (default 3)
  --connections  workers of the client (default 32)
  --no-variants  leave out our proxy with other presets
  --out          the JSON file (default: bench/results/<time>.json)
`;

/** Throws an error that names the option. Null asks for the usage. */
export function readOptions(argv: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      connections: { type: 'string', default: '32' },
      variants: { type: 'boolean' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  return {
    parts: new Set(values.only === undefined ? PARTS : values.only.split(',').map(partOf)),
    rounds: count('rounds', values.rounds ?? (values.quick ? '1' : '5'), 20),
    seconds: count('seconds', values.seconds ?? (values.quick ? '2' : '3'), 60),
    connections: count('connections', values.connections, 500),
    variants: values.variants ?? !values.quick,
    out: values.out ?? null,
  };
}

function partOf(text: string): Part {
  const part = PARTS.find((name) => name === text.trim());
  if (part === undefined) throw new Error(`--only takes parts out of ${PARTS.join(', ')}, and "${text}" was given`);
  return part;
}

function count(option: string, text: string, most: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most) throw new Error(`--${option} takes a number from 1 to ${most}, and "${text}" was given`);
  return number;
}
