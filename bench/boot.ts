/** `npm run bench:boot`: how long a guest of each engine takes to its command's first instruction, and what it holds of the host's memory. */
import { readFileSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { CertificateAuthority } from '../core/capture.ts';
import { ENGINE_NAMES, loadEngine } from '../cli/engines.ts';
import { NO_LIMITS } from '../plugins/engines/engine.ts';
import type { GuestEngine } from '../plugins/engines/engine.ts';
import { median } from './statistics.ts';

const USAGE = 'usage: node bench/boot.ts [--runs N] [--engine NAME]\n';
/** Long enough for the guest to be looked at. */
const COMMAND = ['sleep', '60'] as const;

interface Run {
  /** Milliseconds, by part. */
  readonly boot: Readonly<Record<string, number>>;
  /** Proportional set size of every process of the guest, in MiB. */
  readonly memory: number;
  readonly facts: Readonly<Record<string, string>>;
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '10' }, engine: { type: 'string' }, help: { type: 'boolean' } } });
const runs = Number(values.runs);
if (values.help || !Number.isInteger(runs) || runs < 1) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const measured: { name: string; all: Run[] }[] = [];
const engines = await Promise.all((values.engine === undefined ? ENGINE_NAMES : [values.engine]).map((name) => loadEngine(name)));
for (const engine of engines) {
  await run(engine); // what is read for the first time comes from a disk
  measured.push({ name: engine.name, all: [] });
}
// In turns, so that what else the machine does falls on each alike.
for (let count = 1; count <= runs; count++) {
  for (const [index, engine] of engines.entries()) {
    const one = await run(engine);
    measured[index]!.all.push(one);
    process.stderr.write(`run ${count} of ${runs}, ${engine.name}: ${Math.round(one.boot['total']!)} ms\n`);
  }
}
process.stdout.write(table());

async function run(engine: GuestEngine): Promise<Run> {
  const authority = CertificateAuthority.create('bench');
  const [command, ...args] = COMMAND;
  const guest = await engine.prepare({
    jobId: 'bench', command, args, env: {}, mounts: [], maskedNames: [], hiddenPaths: [], network: 'plane', limits: NO_LIMITS, ports: [], rootfs: null,
    caCertificate: authority.certificate, terminal: null,
  });
  try {
    await guest.run();
    return { boot: { ...guest.boot }, memory: memoryBelow(process.pid), facts: guest.facts };
  } finally {
    await guest.close();
  }
}

/** Of all processes that descend from one. */
function memoryBelow(ancestor: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = read(`/proc/${name}/stat`);
    if (stat !== null) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const descends = (pid: number): boolean => pid > 1 && (parents.get(pid) === ancestor || descends(parents.get(pid) ?? 0));
  const kilobytes = [...parents.keys()].filter(descends).map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? '')?.[1] ?? 0));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // ended meanwhile
  }
}

function table(): string {
  const names = [...new Set(measured.flatMap(({ all }) => all.flatMap(({ boot }) => Object.keys(boot))))].filter((name) => name !== 'total');
  const columns = measured.map(({ name, all }) => ({ name: [name, ...Object.values(all[0]!.facts)].join(', '), all }));
  const cell = (all: readonly Run[], part: string): string => {
    const found = all.flatMap(({ boot }) => boot[part] ?? []).sort((one, other) => one - other);
    return found.length === 0 ? '' : `${Math.round(median(found))} (${Math.round(found[0]!)}–${Math.round(found.at(-1)!)})`;
  };
  const row = (title: string, cells: readonly string[]): string => `| ${[title, ...cells].join(' | ')} |\n`;
  return [
    row('milliseconds, median (least–most)', columns.map(({ name }) => name)),
    row('---', columns.map(() => '---:')),
    row('**to the first instruction**', columns.map(({ all }) => `**${cell(all, 'total')}**`)),
    ...names.map((name) => row(name, columns.map(({ all }) => cell(all, name)))),
    row('host memory, MiB', columns.map(({ all }) => `${Math.round(median(all.map(({ memory }) => memory).sort((one, other) => one - other)))}`)),
    `\n${runs} runs of each in turns, ${cpus().length} cores, Node ${process.versions.node}.\n`,
  ].join('');
}
