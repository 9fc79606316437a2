/** The measurements as one object for the JSON file, and as the tables that people read. */
import { cpus, totalmem, type CpuInfo } from 'node:os';
import type { Measurements, LoadTurn } from './measurements.ts';
import type { Version } from './hey.ts';
import { protocolLines, type ProtocolRow } from './protocols/protocol-turns.ts';
import { median } from './statistics.ts';

/** What must hold: ours in requests/s over theirs, HTTP/1.1. */
const GOALS: Readonly<Record<string, number>> = { mitmproxy: 10, mockttp: 4 };

export interface LoadSummary {
  readonly requests_per_second: number;
  /** Ours over theirs, the median of the rounds: above 1, ours answers more. */
  readonly ours_is_times_as_fast: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  /** Theirs over ours. */
  readonly p50_times_ours: number;
  readonly p99_times_ours: number;
  /** Microseconds for each request, all threads; null without a proxy. */
  readonly cpu_us_per_request: number | null;
  readonly rounds: readonly LoadTurn[];
}

export interface Row {
  readonly name: string;
  readonly records: string;
  readonly h1: LoadSummary | null;
  readonly h2: LoadSummary | null;
  readonly sse: { readonly p50_ms: number; readonly p99_ms: number; readonly added_ms: number; readonly failure: string | null } | null;
  readonly download: { readonly mib_per_second: number; readonly ours_is_times_as_fast: number; readonly failure: string | null } | null;
  /** Resident, after all parts. */
  readonly memory_mib: number | null;
  readonly requests: number;
  readonly recorded: number | null;
  readonly problems: readonly string[];
}

export interface Report {
  readonly date: string;
  readonly machine: { readonly cores: number; readonly model: string; readonly memory_gib: number; readonly load_before: number };
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: { readonly rounds: number; readonly seconds: number; readonly connections: number };
  readonly rows: readonly Row[];
  readonly protocols: readonly ProtocolRow[];
}

export function rowOf(measured: Measurements, ours: Measurements, direct: Measurements, recorded: number | null): Row {
  return {
    name: measured.contender.name,
    records: measured.contender.records,
    h1: loadSummary(measured, ours, 'h1'),
    h2: loadSummary(measured, ours, 'h2'),
    sse: sseSummary(measured, direct),
    download: downloadSummary(measured, ours),
    memory_mib: measured.memory,
    requests: measured.requests,
    recorded,
    problems: measured.problems,
  };
}

function loadSummary(measured: Measurements, ours: Measurements, version: Version): LoadSummary | null {
  const turns = measured.load[version];
  if (turns.length === 0) return null;
  const against = (ratio: (theirs: LoadTurn, our: LoadTurn) => number): number => median(turns.map((turn, i) => ratio(turn, ours.load[version][i]!)));
  return {
    requests_per_second: median(turns.map(({ perSecond }) => perSecond)),
    ours_is_times_as_fast: against((theirs, our) => our.perSecond / theirs.perSecond),
    p50_ms: median(turns.map(({ p50 }) => p50)),
    p99_ms: median(turns.map(({ p99 }) => p99)),
    p50_times_ours: against((theirs, our) => theirs.p50 / our.p50),
    p99_times_ours: against((theirs, our) => theirs.p99 / our.p99),
    cpu_us_per_request: turns[0]!.cpu === null ? null : median(turns.map(({ cpu }) => cpu!)),
    rounds: turns,
  };
}

function sseSummary({ sse }: Measurements, direct: Measurements): Row['sse'] {
  if (sse.length === 0) return null;
  return {
    p50_ms: median(sse.map(({ p50 }) => p50)),
    p99_ms: median(sse.map(({ p99 }) => p99)),
    added_ms: median(sse.map(({ p50 }, i) => p50 - direct.sse[i]!.p50)),
    failure: sse.find(({ failure }) => failure !== null)?.failure ?? null,
  };
}

function downloadSummary({ downloads }: Measurements, ours: Measurements): Row['download'] {
  if (downloads.length === 0) return null;
  return {
    mib_per_second: median(downloads.map(({ mibPerSecond }) => mibPerSecond)),
    ours_is_times_as_fast: median(downloads.map(({ mibPerSecond }, i) => ours.downloads[i]!.mibPerSecond / mibPerSecond)),
    failure: downloads.find(({ failure }) => failure !== null)?.failure ?? null,
  };
}

export function machineFacts(loadBefore: number): Report['machine'] {
  const all: CpuInfo[] = cpus();
  return { cores: all.length, model: all[0]?.model ?? 'unknown', memory_gib: Math.round(totalmem() / 2 ** 30), load_before: loadBefore };
}

/** Markdown, as it may stand in a README. */
export function tables(report: Report): string {
  const { date, machine, versions, settings, rows, protocols } = report;
  const parts: string[] = [];
  for (const [version, title] of [['h1', 'HTTP/1.1, keep-alive'], ['h2', 'HTTP/2']] as const) {
    const measured = rows.flatMap((row) => (row[version] === null ? [] : [{ ...row, load: row[version] }]));
    if (measured.length === 0) continue;
    parts.push(
      table(
        [title, 'what it records', 'requests/s', 'ours is', 'p50 ms (× ours)', 'p99 ms (× ours)', 'CPU µs/request'],
        measured.map(({ name, records, load }) => [
          name,
          records,
          thousands(load.requests_per_second),
          `${load.ours_is_times_as_fast.toFixed(load.ours_is_times_as_fast < 10 ? 2 : 1)} ×`,
          `${load.p50_ms.toFixed(1)} (${load.p50_times_ours.toFixed(1)})`,
          `${load.p99_ms.toFixed(1)} (${load.p99_times_ours.toFixed(1)})`,
          load.cpu_us_per_request === null ? '' : load.cpu_us_per_request.toFixed(0),
        ]),
      ),
    );
  }
  const others = rows.filter(({ sse, download }) => sse !== null || download !== null);
  if (others.length > 0) {
    parts.push(
      table(
        ['SSE and downloads', 'event, origin to client, p50 ms', 'added ms', '100 MiB, MiB/s', 'ours is', 'resident MiB at the end'],
        others.map(({ name, sse, download, memory_mib }) => [
          name,
          sse === null ? '' : (sse.failure ?? sse.p50_ms.toFixed(2)),
          sse === null || sse.failure !== null ? '' : sse.added_ms.toFixed(2),
          download === null ? '' : (download.failure ?? download.mib_per_second.toFixed(0)),
          download === null || download.failure !== null ? '' : `${download.ours_is_times_as_fast.toFixed(2)} ×`,
          memory_mib === null ? '' : String(memory_mib),
        ]),
      ),
    );
  }
  const lines = protocolLines(protocols);
  if (lines.length > 0) parts.push(table(['further protocols', '', 'per second', 'of no proxy', 'ours is', 'CPU µs for each'], lines));
  const tools = Object.entries(versions).map(([name, version]) => (version.startsWith(name) ? version : `${name} ${version}`));
  parts.push(`${date.slice(0, 10)}, ${machine.cores} cores (${machine.model}), shared by client, proxy and origin; ${settings.rounds} rounds of ${settings.seconds} s, ${settings.connections} workers, medians; ${tools.join(', ')}.`);
  return parts.join('\n\n') + '\n';
}

/** Whether the goals are reached; null where they were not measured. */
export function goals(rows: readonly Row[]): readonly string[] {
  return rows.flatMap(({ name, h1 }) => {
    const goal = GOALS[name];
    if (goal === undefined || h1 === null) return [];
    const times = h1.ours_is_times_as_fast;
    return [`${times >= goal ? 'reached' : 'NOT REACHED'}: ${goal} × ${name} on HTTP/1.1 (${times.toFixed(1)} ×)`];
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function thousands(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}
