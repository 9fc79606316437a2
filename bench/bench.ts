/** `npm run bench`: our proxy beside others, driven by the same client in alternation. See README.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { Field } from './field.ts';
import { Measurements } from './measurements.ts';
import { USAGE, readOptions, type Options } from './options.ts';
import { npmVersion, requirePackages, versions } from './packages.ts';
import { ProtocolRounds } from './protocols/protocol-rounds.ts';
import { goals, machineFacts, rowOf, tables, type Report } from './report.ts';
import { Watch } from './watch.ts';

/** Rounds of streams and downloads: they vary less than load does. */
const SLOW_ROUNDS = 3;
const RESULTS = join(import.meta.dirname, 'results');

process.exitCode = await main();

async function main(): Promise<number> {
  let options: Options | null;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const watch = new Watch();
  try {
    const loadBefore = loadavg()[0]!;
    requirePackages();
    const field = await Field.start({ download: options.parts.has('download'), variants: options.variants && options.parts.has('h1'), onMade: (made) => watch.over(made, options!) });
    const report = await measure(field, options, loadBefore);
    return publish(report, options);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await watch.end();
  }
}

async function measure(field: Field, options: Options, loadBefore: number): Promise<Report> {
  const { parts, rounds, seconds, connections } = options;
  const main = field.contenders.map((contender) => new Measurements(contender));
  const variants = field.variants.map((contender) => new Measurements(contender));
  const all = [...main, ...variants];
  const { port } = field.origin;
  for (const measured of all) await measured.check(port, 'h1');
  for (const measured of main) if (parts.has('h2')) await measured.check(port, 'h2');

  // Compilers get to know the path, and proxies the upstream, before it counts.
  for (const version of ['h1', 'h2'] as const) {
    if (parts.has(version)) for (const measured of version === 'h1' ? all : main) await measured.warmUp(port, version, connections);
  }

  const tell = (round: number, part: string, { contender }: Measurements, text: string): void => void process.stderr.write(`round ${round} of ${rounds}, ${part}: ${contender.name.padEnd(17)} ${text}\n`);
  for (let round = 1; round <= rounds; round++) {
    for (const version of ['h1', 'h2'] as const) {
      if (!parts.has(version)) continue;
      for (const measured of version === 'h1' ? all : main) {
        const { perSecond } = await measured.takeLoad(port, version, seconds, connections);
        tell(round, version, measured, `${Math.round(perSecond)} requests/s`);
      }
    }
  }
  const protocols = await ProtocolRounds.start(field, options);
  for (let round = 1; round <= Math.min(rounds, SLOW_ROUNDS); round++) {
    for (const measured of main) {
      const sse = parts.has('sse') ? await measured.takeSse(field.sse) : null;
      if (sse !== null) tell(round, 'SSE', measured, sse.failure ?? `${sse.p50.toFixed(2)} ms`);
    }
    for (const measured of main) {
      const download = parts.has('download') ? await measured.takeDownload(port) : null;
      if (download !== null) tell(round, 'download', measured, download.failure ?? `${Math.round(download.mibPerSecond)} MiB/s`);
    }
    await protocols.take(round, main, (at, part, name, text) => void process.stderr.write(`round ${at} of ${rounds}, ${part}: ${name.padEnd(17)} ${text}\n`));
  }

  for (const measured of all) measured.memory = measured.contender.process?.residentMiB() ?? null;
  const complaints = await field.close();
  const [direct, ours] = main as [Measurements, Measurements];
  // What a peer holds back, or is too slow for, is how that peer works; with ours it is a defect.
  for (const measured of [ours, direct]) for (const { failure } of [...measured.sse, ...measured.downloads]) if (failure !== null) measured.problems.push(failure);
  ours.problems.push(...(await protocols.problems()));
  const rows: Report['rows'][number][] = [];
  for (const measured of all) {
    measured.problems.push(...complaints.get(measured.contender)!);
    rows.push(rowOf(measured, ours, direct, await measured.compareRecord()));
  }
  return { date: new Date().toISOString(), machine: machineFacts(loadBefore), versions: { mentu: npmVersion('..'), ...versions() }, settings: { rounds, seconds, connections }, rows, protocols: protocols.rows() };
}

function publish(report: Report, options: Options): number {
  const file = options.out ?? join(RESULTS, `${report.date.replaceAll(':', '').slice(0, 17)}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(report, null, 2) + '\n');
  process.stdout.write(`\n${tables(report)}\n`);
  for (const line of goals(report.rows)) process.stdout.write(`${line}\n`);
  for (const { name, requests, recorded } of report.rows) if (recorded !== null) process.stdout.write(`checked: ${name} answered ${requests} requests and recorded ${recorded}\n`);
  process.stdout.write(`written: ${file}\n`);
  const wrong = report.rows.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
  for (const line of wrong) process.stdout.write(`WRONG: ${line}\n`);
  return wrong.length === 0 ? 0 : 1;
}
