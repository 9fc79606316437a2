/** What was measured of one contender, turn by turn. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender } from './contenders/contender.ts';
import { download, fetchSmall, type DownloadResult } from './download.ts';
import { folderSize } from './field.ts';
import { load, type LoadResult, type Version } from './hey.ts';
import { BODY, DOWNLOAD_MIB } from './origin.ts';
import { measureSse, type SseResult } from './sse.ts';
import type { SseOrigin } from './sse-origin.ts';
import type { ServerProcess } from './server-process.ts';

export interface LoadTurn extends LoadResult {
  /** Microseconds of the proxy's processor time for each request, with what it does afterwards for the record. */
  readonly cpu: number | null;
}

/** Seconds. */
const WARM_UP = 2;
const QUIET_STEP = 100;
const QUIET_STEPS = 40;
/** A process that takes less than this share of a core has nothing left to do. */
const QUIET_SHARE = 0.1;

export class Measurements {
  readonly contender: Contender;
  readonly load: Record<Version, LoadTurn[]> = { h1: [], h2: [] };
  readonly sse: SseResult[] = [];
  readonly downloads: DownloadResult[] = [];
  memory: number | null = null;
  /** Requests for the small body that it answered. */
  requests = 0;
  readonly problems: string[] = [];

  constructor(contender: Contender) {
    this.contender = contender;
  }

  /** One request, whose answer must be right in every part. */
  async check(originPort: number, version: Version): Promise<void> {
    const answer = await fetchSmall(originPort, this.contender.port, version);
    this.requests++;
    if (answer.status !== 200 || answer.body !== BODY) this.problems.push(`${version}: it answered ${answer.status} with ${answer.body.length} characters: ${answer.body.slice(0, 100)}`);
    const expected = version === 'h1' ? '1.1' : '2';
    if (answer.httpVersion !== expected) this.problems.push(`${version}: the client was offered HTTP/${answer.httpVersion}`);
  }

  /** Load that counts for the record alone. */
  async warmUp(originPort: number, version: Version, connections: number): Promise<void> {
    const { port, process } = this.contender;
    const { requests, failure } = await load({ originPort, proxyPort: port, version, seconds: WARM_UP, connections });
    this.requests += requests;
    if (failure !== null) this.problems.push(`${version}, warming up: ${failure}`);
    if (process) await untilQuiet(process);
  }

  async takeLoad(originPort: number, version: Version, seconds: number, connections: number): Promise<LoadTurn> {
    const { port, process } = this.contender;
    const before = process?.cpuSeconds() ?? 0;
    const result = await load({ originPort, proxyPort: port, version, seconds, connections });
    if (process) await untilQuiet(process);
    const cpu = process ? ((process.cpuSeconds() - before) / result.requests) * 1e6 : null;
    const turn = { ...result, cpu };
    this.load[version].push(turn);
    this.requests += result.requests;
    if (result.failure !== null) this.problems.push(`${version}: ${result.failure}`);
    return turn;
  }

  /** Null where it held events back before: once is enough to know. */
  async takeSse(origin: SseOrigin): Promise<SseResult | null> {
    if (this.sse.some(({ failure }) => failure !== null)) return null;
    const result = await measureSse(origin, this.contender.port);
    this.sse.push(result);
    return result;
  }

  /** Null where it was too slow before. */
  async takeDownload(originPort: number): Promise<DownloadResult | null> {
    if (this.downloads.some(({ failure }) => failure !== null)) return null;
    const { port, process, directory } = this.contender;
    const result = await download(originPort, port);
    this.downloads.push(result);
    if (process) await untilQuiet(process);
    if (result.failure === null && directory !== null && folderSize(directory) < DOWNLOAD_MIB * 1024 * 1024) this.problems.push('download: its body is not in the record');
    return result;
  }

  /** Compares what it wrote with what it answered; call it when it is closed. */
  async compareRecord(): Promise<number | null> {
    const recorded = await this.contender.recorded();
    if (recorded !== null && recorded !== this.requests) this.problems.push(`it answered ${this.requests} requests and recorded ${recorded}`);
    return recorded;
  }
}

/** What one contender still does must not fall into the turn of the next. */
export async function untilQuiet(process: ServerProcess): Promise<void> {
  for (let step = 0; step < QUIET_STEPS; step++) {
    const before = process.cpuSeconds();
    await sleep(QUIET_STEP);
    if (process.cpuSeconds() - before < (QUIET_SHARE * QUIET_STEP) / 1000 + 0.005) return;
  }
}
