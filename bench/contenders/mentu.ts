/** Our proxy, as a user runs it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { HOST, MARK } from '../origin.ts';
import { countLines } from '../record-lines.ts';
import { ServerProcess } from '../server-process.ts';
import type { Contender, Setting } from './contender.ts';

const BIN = fileURLToPath(new URL('../../cli/bin/mentu-runtime', import.meta.url));

export interface MentuVariant {
  readonly name: string;
  readonly records: string;
  /** A preset by name, or the text of one. */
  readonly preset: string | { readonly yaml: string };
  /** What a line of a recorded flow contains; null where no line is written. */
  readonly line: string | null;
  readonly signals: boolean;
  /** Ports of UDP: where it takes HTTP/3, and the origin's, to which its name leads. */
  readonly http3?: { readonly listen: number; readonly origin: number };
}

const HTTP_LINE = '"kind":"http"';

export const STANDARD: MentuVariant = { name: 'mentu', records: 'JSONL with bodies, CIR', preset: 'standard', line: MARK, signals: true };
export const VARIANTS: readonly MentuVariant[] = [
  { name: 'mentu, no CIR', records: 'JSONL with bodies', preset: { yaml: 'plugins:\n  - domain-policy\n  - jsonl-sink\n' }, line: MARK, signals: false },
  { name: 'mentu, `minimal`', records: 'JSONL heads, CIR', preset: 'minimal', line: HTTP_LINE, signals: true },
  { name: 'mentu, no sink', records: 'nothing, it only counts', preset: { yaml: 'record:\n  bodies: none\nplugins:\n  - domain-policy\n' }, line: null, signals: false },
];

export async function startMentu(variant: MentuVariant, setting: Setting, nodeOptions = ''): Promise<Contender> {
  const { directory, files } = setting;
  const home = join(directory, 'home');
  mkdirSync(home);
  let preset = 'standard';
  if (typeof variant.preset === 'string') preset = variant.preset;
  else writeFileSync(join(directory, (preset = './preset.yaml')), variant.preset.yaml);
  writeFileSync(join(directory, 'profile.json'), JSON.stringify({ interceptor: { hosts: { [HOST]: variant.http3 ? `127.0.0.1:${variant.http3.origin}` : '127.0.0.1' }, trustedCAs: [files.authority] } }));
  const process = new ServerProcess({
    name: variant.name,
    command: BIN,
    args: ['proxy', '--listen', '127.0.0.1:0', '--preset', preset, '--profile', 'profile.json', ...(variant.http3 ? ['--http3-listen', `127.0.0.1:${variant.http3.listen}`] : [])],
    cwd: directory,
    env: { MENTU_HOME: home, NODE_OPTIONS: nodeOptions },
  });
  const port = Number((await process.said(/proxy on http:\/\/127\.0\.0\.1:(\d+)/))[1]);
  if (variant.http3) await process.said(/HTTP\/3 on /);
  const record = join(directory, '.mentu/jobs/latest/flows.jsonl');
  const recorded = async (): Promise<number | null> => (variant.line === null ? null : countLines(record, variant.line));
  return {
    name: variant.name,
    records: variant.records,
    directory,
    port,
    process,
    recorded,
    async close() {
      await process.stop();
      const problems: string[] = [];
      if (!process.output.includes(' in ')) problems.push('it ended without its summary');
      if (variant.signals) {
        const signals = countSignals(join(home, 'cir.db'));
        const lines = await countLines(record, HTTP_LINE);
        if (signals !== lines) problems.push(`CIR has ${signals} HTTP flows, the record ${lines}`);
      }
      return problems;
    },
  };
}

function countSignals(file: string): number {
  if (!existsSync(file)) return 0;
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const row = database.prepare(`SELECT count(*) AS n FROM signals WHERE type = 'network_flow' AND data ->> 'kind' = 'http'`).get()!;
    return Number(row['n']);
  } finally {
    database.close();
  }
}
