/** Turns of the protocols beside plain HTTP: what each contender did of them. */
import type { Contender } from '../contenders/contender.ts';
import type { ServerProcess } from '../server-process.ts';
import { median } from '../statistics.ts';
import type { Tally } from './exchange.ts';

export const WORKLOADS = ['streams', 'websocket', 'grpc', 'h3'] as const;
export type Workload = (typeof WORKLOADS)[number];

/** What is counted in each. */
export const UNITS: Readonly<Record<Workload, string>> = {
  streams: 'HTTP/2 streams, requests/s',
  websocket: 'WebSocket, messages/s',
  grpc: 'gRPC, messages/s',
  h3: 'HTTP/3, requests/s',
};

export interface ProtocolTurn extends Tally {
  /** Microseconds of the proxy's processor time for each; null without a proxy. */
  readonly cpu: number | null;
}

export class ProtocolTurns {
  readonly contender: Contender;
  readonly turns: Record<Workload, ProtocolTurn[]> = { streams: [], websocket: [], grpc: [], h3: [] };

  constructor(contender: Contender) {
    this.contender = contender;
  }

  /** Null where it failed before: once is enough to know. @param process whose processor time counts; null without a proxy. */
  async take(workload: Workload, run: () => Promise<Tally>, process: ServerProcess | null, quiet: (process: ServerProcess) => Promise<void>): Promise<ProtocolTurn | null> {
    if (this.turns[workload].some(({ failure }) => failure !== null)) return null;
    const before = process?.cpuSeconds() ?? 0;
    const tally = await run();
    if (process) await quiet(process);
    const turn = { ...tally, cpu: process && tally.answered > 0 ? ((process.cpuSeconds() - before) / tally.answered) * 1e6 : null };
    this.turns[workload].push(turn);
    return turn;
  }
}

export interface ProtocolSummary {
  readonly per_second: number;
  /** Of what client and origin do without a proxy, the median of the rounds. */
  readonly share_of_direct: number;
  readonly ours_is_times_as_fast: number;
  readonly cpu_us: number | null;
  readonly failure: string | null;
  readonly rounds: readonly ProtocolTurn[];
}

export interface ProtocolRow {
  readonly name: string;
  readonly workloads: Partial<Record<Workload, ProtocolSummary>>;
}

export function protocolRow(measured: ProtocolTurns, ours: ProtocolTurns, direct: ProtocolTurns): ProtocolRow {
  const found = WORKLOADS.flatMap((workload) => {
    const summary = summaryOf(measured.turns[workload], ours.turns[workload], direct.turns[workload]);
    return summary === null ? [] : [[workload, summary] as const];
  });
  return { name: measured.contender.name, workloads: Object.fromEntries(found) };
}

const rate = ({ count, seconds }: ProtocolTurn): number => count / seconds;

function summaryOf(turns: readonly ProtocolTurn[], ours: readonly ProtocolTurn[], direct: readonly ProtocolTurn[]): ProtocolSummary | null {
  if (turns.length === 0) return null;
  const failure = turns.find((turn) => turn.failure !== null)?.failure ?? null;
  const against = (others: readonly ProtocolTurn[], ratio: (one: number, other: number) => number): number => median(turns.flatMap((turn, i) => (others[i] ? [ratio(rate(turn), rate(others[i]))] : [])));
  const cpus = turns.flatMap(({ cpu }) => cpu ?? []);
  return {
    per_second: median(turns.map(rate)),
    share_of_direct: against(direct, (one, other) => one / other),
    ours_is_times_as_fast: against(ours, (one, other) => other / one),
    cpu_us: cpus.length === 0 ? null : median(cpus),
    failure,
    rounds: turns,
  };
}

/** Lines of a table, a workload after the other; none where none was measured. */
export function protocolLines(rows: readonly ProtocolRow[]): string[][] {
  return WORKLOADS.flatMap((workload) =>
    rows.flatMap(({ name, workloads: { [workload]: summary } }) => {
      if (summary === undefined) return [];
      const { per_second, share_of_direct, ours_is_times_as_fast, cpu_us, failure } = summary;
      if (failure !== null) return [[UNITS[workload], name, failure, '', '', '']];
      return [[UNITS[workload], name, Math.round(per_second).toLocaleString('en-US'), `${(share_of_direct * 100).toFixed(0)} %`, `${ours_is_times_as_fast.toFixed(2)} ×`, cpu_us === null ? '' : cpu_us.toFixed(0)]];
    }),
  );
}
