/**
 * Runs our proxy alone under Node's sampling profiler and prints where its time goes:
 *
 *   node bench/profile.ts [--version h1|h2|h3] [--seconds N] [--variant NAME] [--top N] [--keep]
 *
 * The profiler counts the time in which a thread waits for its core as the function's own, mostly that of the
 * writes that wake the peer: measure on a quiet machine
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeOriginFiles } from './certificates.ts';
import { STANDARD, VARIANTS, startMentu } from './contenders/mentu.ts';
import { load, type Version } from './hey.ts';
import { HOST, startOrigin } from './origin.ts';
import { startCaddy } from './protocols/caddy.ts';
import { loadHttp3 } from './protocols/gtlsclient.ts';
import { freePort } from './server-process.ts';

interface Turn {
  readonly requests: number;
  readonly perSecond: number;
  /** Milliseconds; null where the client does not tell. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly failure: string | null;
}

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number } }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const { values } = parseArgs({
  options: {
    version: { type: 'string', default: 'h1' },
    seconds: { type: 'string', default: '8' },
    variant: { type: 'string', default: STANDARD.name },
    top: { type: 'string', default: '25' },
    keep: { type: 'boolean', default: false },
  },
});
const variant = [STANDARD, ...VARIANTS].find(({ name }) => name === values.variant);
if (!variant) throw new Error(`--variant is one of ${[STANDARD, ...VARIANTS].map(({ name }) => name).join(' | ')}`);

const directory = mkdtempSync(join(tmpdir(), 'mentu-profile-'));
const version = values.version as Version | 'h3';
const files = writeOriginFiles(directory, HOST);
const origin = version === 'h3' ? await startCaddy(directory, files) : await startOrigin(directory, files, false);
try {
  const own = join(directory, 'mentu');
  const profiles = join(directory, 'profiles');
  for (const folder of [own, profiles]) mkdirSync(folder);
  const http3 = version === 'h3' ? { listen: await freePort(), origin: origin.port } : null;
  const mentu = await startMentu(http3 ? { ...variant, http3 } : variant, { directory: own, files }, `--cpu-prof --cpu-prof-dir=${profiles} --cpu-prof-interval=200`);
  const turn = async (seconds: number): Promise<Turn> => {
    if (version !== 'h3') return load({ originPort: origin.port, proxyPort: mentu.port, version, connections: 32, seconds });
    const { answered, count, seconds: took, failure } = await loadHttp3(http3!.listen, origin.port, seconds);
    return { requests: answered, perSecond: count / took, p50: null, p99: null, failure };
  };
  await turn(2);
  const before = mentu.process!.cpuSeconds();
  const measured = await turn(Number(values.seconds));
  const cpu = mentu.process!.cpuSeconds() - before;
  const memory = mentu.process!.residentMiB();
  const problems = await mentu.close();
  const flows = await mentu.recorded();
  console.log(`${version}, ${variant.name}: ${Math.round(measured.perSecond)} requests/s, ${measured.p50 === null ? '' : `p50 ${measured.p50} ms, p99 ${measured.p99} ms, `}${((cpu / measured.requests) * 1e6).toFixed(1)} µs of processor time a request, ${memory} MiB`);
  for (const problem of [measured.failure, ...problems]) if (problem !== null) console.log(`WRONG: ${problem}`);
  for (const file of readdirSync(profiles)) print(file, JSON.parse(readFileSync(join(profiles, file), 'utf8')) as CpuProfile, flows ?? measured.requests);
} finally {
  await origin.process.stop();
  if (values.keep) console.log(`kept: ${directory}`);
  else rmSync(directory, { recursive: true });
}

function print(file: string, profile: CpuProfile, flows: number): void {
  const self = new Map<number, number>();
  profile.samples.forEach((id, i) => self.set(id, (self.get(id) ?? 0) + profile.timeDeltas[i]!));
  const byFunction = new Map<string, number>();
  for (const { id, callFrame } of profile.nodes) {
    const place = callFrame.url === '' ? '' : ` ${callFrame.url.replace(/^.*\/(?=(core|plugins|cli|node_modules)\/)/, '')}:${callFrame.lineNumber + 1}`;
    const name = (callFrame.functionName || '(anonymous)') + place;
    byFunction.set(name, (byFunction.get(name) ?? 0) + (self.get(id) ?? 0));
  }
  const idle = byFunction.get('(idle)') ?? 0;
  const total = [...byFunction.values()].reduce((sum, time) => sum + time, 0);
  console.log(`\n${file}: ${flows} flows, ${((total - idle) / flows).toFixed(1)} µs a flow busy, ${(idle / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} s idle`);
  const rows = [...byFunction].filter(([name]) => name !== '(idle)').sort((a, b) => b[1] - a[1]);
  for (const [name, time] of rows.slice(0, Number(values.top))) console.log(`${(time / flows).toFixed(2).padStart(8)} µs ${((100 * time) / (total - idle)).toFixed(1).padStart(5)} %  ${name}`);
}
