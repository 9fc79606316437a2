/** What must be true after the demo: held against the record, the store of signals and the servers themselves. */
import type { FlowRecord } from '../../core/index.ts';
import type { Signal } from '../../plugins/cir-sink/cir.ts';

interface Expected {
  readonly client: RegExp;
  readonly host: string;
  readonly method: string;
  readonly status: number;
  readonly outcome: FlowRecord['outcome'];
}

const EXPECTED: readonly Expected[] = [
  { client: /^curl\//, host: 'api.demo.test', method: 'GET', status: 200, outcome: 'completed' },
  { client: /^node$/, host: 'api.demo.test', method: 'POST', status: 201, outcome: 'completed' },
  { client: /^Python-urllib\//, host: 'files.demo.test', method: 'GET', status: 200, outcome: 'completed' },
  { client: /^git\//, host: 'git.demo.test', method: 'GET', status: 200, outcome: 'completed' },
  { client: /^git\//, host: 'git.demo.test', method: 'POST', status: 200, outcome: 'completed' },
  { client: /^curl\//, host: 'tracker.demo.test', method: 'POST', status: 403, outcome: 'denied' },
];

export interface Evidence {
  /** Of `flows.jsonl`. */
  readonly flows: readonly FlowRecord[];
  /** Of `mentu cir query`, for the job. */
  readonly signals: readonly Signal[];
  /** Requests that reached the server of the name. */
  readonly visitsOf: (host: string) => number;
}

/** What is not as it must be, a line each; empty where all is well. */
export function shortcomings({ flows, signals, visitsOf }: Evidence): string[] {
  const faults: string[] = [];
  for (const expected of EXPECTED) {
    const found = flows.some((flow) => isExpected(flow, expected));
    if (!found) faults.push(`no flow of ${expected.client.source} is recorded: ${expected.method} ${expected.host}, ${expected.status}, ${expected.outcome}`);
  }
  for (const host of new Set(EXPECTED.map(({ host }) => host))) {
    const served = flows.filter((flow) => flow.tls_sni === host && flow.outcome === 'completed').length;
    if (visitsOf(host) !== served) faults.push(`${host} served ${visitsOf(host)} requests, and ${served} are recorded`);
  }
  const versions = new Set(flows.map(({ http_version }) => http_version));
  for (const version of ['1.1', '2']) if (!versions.has(version)) faults.push(`no flow is HTTP/${version}`);
  const ofType = (type: string): string[] => signals.filter((signal) => signal.type === type).map(({ id }) => id).sort();
  compare(ofType('network_flow'), flows.map(({ id }) => `sig_${id}`).sort(), 'network_flow', faults);
  compare(ofType('sandbox_violation'), flows.flatMap(({ violation }) => (violation ? [`sig_${violation.id}`] : [])).sort(), 'sandbox_violation', faults);
  return faults;
}

function isExpected({ request, response, outcome, tls_sni }: FlowRecord, expected: Expected): boolean {
  const client = request?.headers.find(([name]) => name.toLowerCase() === 'user-agent')?.[1] ?? '';
  return expected.client.test(client) && tls_sni === expected.host && request?.method === expected.method && response?.status === expected.status && outcome === expected.outcome;
}

function compare(found: readonly string[], wanted: readonly string[], type: string, faults: string[]): void {
  if (found.join() !== wanted.join()) faults.push(`the store has ${found.length} signals ${type} of the job, and the record has ${wanted.length}`);
}
