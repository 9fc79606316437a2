/** What a job's traffic came to: counted as the records pass, written as `summary.json` and told at the end. */
import { protocolOf, type CompletedFlow, type FlowRecord, type PluginContext } from '../../core/index.ts';
import { visible } from '../output.ts';

/** Hosts that are counted by name; the rest are counted together, so that memory stays bounded. */
const MAX_HOSTS = 2000;
const SHOWN_HOSTS = 8;
const ADDRESS_TYPES: ReadonlySet<string> = new Set(['A', 'AAAA']);

export interface HostCount {
  readonly host: string;
  flows: number;
  denied: number;
  failed: number;
  bytes_up: number;
  bytes_down: number;
}

export interface Traffic {
  /** All of them, as many as `flows.jsonl` has lines. */
  flows: number;
  /** Of these, look-ups of names. */
  lookups: number;
  /** Of the flows that are no look-ups: to ask for a name is not to contact a host. */
  hosts: HostCount[];
  /** Flows to hosts beyond those that are named. */
  other_hosts_flows: number;
  bytes: { up: number; down: number };
  status: Record<string, number>;
  protocols: Record<string, number>;
  outcomes: Record<FlowRecord['outcome'], number>;
  denied: number;
  would_deny: number;
  /** Flows that failed or were broken off, by error code. */
  errors: Record<string, number>;
}

/** Counts like a plugin: by a tap of the sink stage. */
export class TrafficCounter {
  readonly #traffic: Traffic = {
    flows: 0,
    lookups: 0,
    hosts: [],
    other_hosts_flows: 0,
    bytes: { up: 0, down: 0 },
    status: {},
    protocols: {},
    outcomes: { completed: 0, denied: 0, aborted: 0, failed: 0 },
    denied: 0,
    would_deny: 0,
    errors: {},
  };
  readonly #hosts = new Map<string, HostCount>();

  tap({ hooks }: Pick<PluginContext<unknown>, 'hooks'>): void {
    hooks.onFlowComplete.sink.tap('summary', (flow) => this.#count(flow));
  }

  get traffic(): Traffic {
    return { ...this.#traffic, hosts: [...this.#hosts.values()].sort((a, b) => b.flows - a.flows) };
  }

  #count({ record }: CompletedFlow): void {
    const traffic = this.#traffic;
    traffic.flows++;
    traffic.bytes.up += record.bytes.up;
    traffic.bytes.down += record.bytes.down;
    traffic.outcomes[record.outcome]++;
    if (record.outcome === 'denied') traffic.denied++;
    else if (record.error) add(traffic.errors, record.error.code);
    const isLookup = record.kind === 'dns';
    if (isLookup) traffic.lookups++;
    // Of a denied name, only other types than addresses are refused.
    if (record.policy?.would_deny && !(isLookup && ADDRESS_TYPES.has(record.dns!.type))) traffic.would_deny++;
    if (record.response) add(traffic.status, `${Math.floor(record.response.status / 100)}xx`);
    add(traffic.protocols, protocolOf(record));
    if (isLookup) return;
    const host = this.#hostOf(record.server.name ?? record.tls_sni ?? record.server.address ?? '');
    if (!host) {
      traffic.other_hosts_flows++;
      return;
    }
    host.flows++;
    host.bytes_up += record.bytes.up;
    host.bytes_down += record.bytes.down;
    if (record.outcome === 'denied') host.denied++;
    if (record.outcome === 'failed') host.failed++;
  }

  #hostOf(host: string): HostCount | null {
    let count = this.#hosts.get(host);
    if (!count && this.#hosts.size < MAX_HOSTS) this.#hosts.set(host, (count = { host, flows: 0, denied: 0, failed: 0, bytes_up: 0, bytes_down: 0 }));
    return count ?? null;
  }
}

export interface JobSummary extends Traffic {
  readonly job_id: string;
  readonly directory: string;
  readonly preset: string;
  readonly engine: string | null;
  readonly boundary: string | null;
  /** How the engine runs the guest: what accelerates it, its kernel, by what its processes are bounded. */
  readonly engine_facts: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly exit_code: number | null;
  /** The command was ended for its timeout; the exit code is 124. */
  readonly timed_out: boolean;
  /** How often the command was run again. */
  readonly restarts: number;
  /** The memory limit ended a process of the guest. */
  readonly oom: boolean;
  /** What of the limits does not hold on this machine, a sentence each. */
  readonly limits_not_enforced: readonly string[];
  readonly started_at: string;
  /** Milliseconds. */
  readonly duration_ms: number;
  /** Milliseconds of each part of the start, of the last guest. */
  readonly boot_ms: Readonly<Record<string, number>>;
  /** Datagrams of the guest that were refused, and packets that were neither TCP nor UDP. */
  readonly dropped_packets: { readonly udp: number; readonly other: number } | null;
  /** `flows.jsonl`, relative to the working directory; null where nothing was captured. */
  readonly record: string | null;
  /** `keys.log` and `traffic.pcapng`, relative to the working directory; null where they are not written. */
  readonly key_log: string | null;
  readonly pcap: string | null;
}

/** The summary for a person, a few lines. */
export function summaryText(summary: JobSummary): string {
  const { traffic, lines } = { traffic: summary, lines: [] as string[] };
  const row = (name: string, text: string): void => void lines.push(`  ${name.padEnd(10)} ${text}`);
  const ended = summary.exit_code === null ? '' : `, exit code ${summary.exit_code}${summary.timed_out ? ' (timed out)' : summary.oom ? ' (out of memory)' : ''}`;
  const restarted = summary.restarts === 0 ? '' : `, ${count(summary.restarts, 'restart')}`;
  lines.push(
    `mentu: ${flowsText(traffic)}, ${traffic.denied} denied, ${traffic.outcomes.failed} failed, ${traffic.outcomes.aborted} aborted, in ${(summary.duration_ms / 1000).toFixed(2)} s${ended}${restarted}`,
  );
  if (traffic.hosts.length > 0) {
    const shown = traffic.hosts.slice(0, SHOWN_HOSTS).map(({ host, flows, denied }) => `${visible(host)} ${flows}${denied > 0 ? ` (${denied} denied)` : ''}`);
    row('hosts', shown.join(', ') + (traffic.hosts.length > SHOWN_HOSTS ? `, and ${traffic.hosts.length - SHOWN_HOSTS} more` : ''));
  }
  row('bytes', `up ${bytes(traffic.bytes.up)}, down ${bytes(traffic.bytes.down)}`);
  for (const [name, counts] of [['status', traffic.status], ['protocols', traffic.protocols], ['errors', traffic.errors]] as const) {
    const entries = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
    if (entries.length > 0) row(name, entries.map(([key, value]) => `${key} ${value}`).join(', '));
  }
  if (traffic.would_deny > 0) row('audit', `${count(traffic.would_deny, 'flow')} would have been denied`);
  const dropped = summary.dropped_packets;
  if (dropped && dropped.udp + dropped.other > 0) row('dropped', `udp ${count(dropped.udp, 'packet')}, other ${count(dropped.other, 'packet')}`);
  for (const [name, file] of [['record', summary.record], ['key log', summary.key_log], ['packets', summary.pcap]] as const) if (file !== null) row(name, file);
  return lines.join('\n') + '\n';
}

/** One line while the job runs. */
export function statusText(traffic: Traffic, seconds: number): string {
  const denied = traffic.denied > 0 ? `, ${traffic.denied} denied` : '';
  const failed = traffic.outcomes.failed > 0 ? `, ${traffic.outcomes.failed} failed` : '';
  return `mentu: ${flowsText(traffic)}${denied}${failed}, up ${bytes(traffic.bytes.up)}, down ${bytes(traffic.bytes.down)}, ${seconds.toFixed(0)} s`;
}

function flowsText({ flows, lookups, hosts }: Traffic): string {
  const contacts = `${count(flows - lookups, 'flow')} to ${count(hosts.length, 'host')}`;
  return lookups === 0 ? contacts : `${contacts} and ${count(lookups, 'look-up')}`;
}

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function bytes(number: number): string {
  if (number < 1024) return `${number} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = number;
  let unit = -1;
  do {
    value /= 1024;
    unit++;
  } while (value >= 1024 && unit < units.length - 1);
  return `${value.toFixed(1)} ${units[unit]}`;
}
