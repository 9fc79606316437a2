/** The protocols beside plain HTTP: their origins, and turns of each contender in alternation. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contenders/contender.ts';
import { STANDARD, startMentu } from '../contenders/mentu.ts';
import type { Field } from '../field.ts';
import { untilQuiet, type Measurements } from '../measurements.ts';
import type { Options } from '../options.ts';
import type { Origin } from '../origin.ts';
import { freePort } from '../server-process.ts';
import { startCaddy } from './caddy.ts';
import { startEchoOrigin, type EchoOrigin } from './echo-origin.ts';
import { runClient, type ClientOrder, type Tally } from './exchange.ts';
import { loadHttp3 } from './gtlsclient.ts';
import { ProtocolTurns, WORKLOADS, protocolRow, type ProtocolRow, type Workload } from './protocol-turns.ts';
import { recordedMessages } from './recorded-messages.ts';

/** Few connections, and what is under way in each at a time: a window that a peer's limit of 128 streams takes. */
const SHAPES = {
  streams: { connections: 4, window: 100 },
  websocket: { connections: 8, window: 16 },
  grpc: { connections: 8, window: 16 },
} as const satisfies Partial<Record<Workload, Pick<ClientOrder, 'connections' | 'window'>>>;

type Tell = (round: number, part: string, name: string, text: string) => void;

interface Http3 {
  readonly origin: Origin;
  /** A proxy of ours for HTTP/3 alone, for its origin's port is pinned to the name; null where it did not start. */
  readonly ours: Contender | null;
  readonly listen: number;
  readonly failure: string | null;
}

export class ProtocolRounds {
  readonly #field: Field;
  readonly #options: Options;
  readonly #turns: readonly ProtocolTurns[];
  readonly #echo: EchoOrigin | null;
  readonly #http3: Http3 | null;

  private constructor(field: Field, options: Options, echo: EchoOrigin | null, http3: Http3 | null) {
    this.#field = field;
    this.#options = options;
    this.#turns = field.contenders.map((contender) => new ProtocolTurns(contender));
    this.#echo = echo;
    this.#http3 = http3;
  }

  /** Starts what the parts need; the field ends it. */
  static async start(field: Field, options: Options): Promise<ProtocolRounds> {
    const { parts } = options;
    const echo = parts.has('websocket') || parts.has('grpc') ? await startEchoOrigin(field.directory, field.files) : null;
    if (echo) field.alsoEnds.push(() => echo.process.stop());
    return new ProtocolRounds(field, options, echo, parts.has('h3') ? await startHttp3(field) : null);
  }

  /** One round. What a peer cannot do is told once and not tried again. */
  async take(round: number, measured: readonly Measurements[], tell: Tell): Promise<void> {
    for (const workload of WORKLOADS) {
      if (!this.#options.parts.has(workload)) continue;
      for (const [index, turns] of this.#turns.entries()) {
        if (workload === 'h3' && index > 1) continue; // nobody else has it
        const { process } = (workload === 'h3' && index === 1 ? this.#http3?.ours : null) ?? turns.contender;
        const turn = await turns.take(workload, () => this.#run(workload, turns, index === 1), process, untilQuiet);
        if (turn === null) continue;
        if (workload === 'streams') measured[index]!.requests += turn.answered;
        tell(round, workload, turns.contender.name, turn.failure ?? `${Math.round(turn.count / turn.seconds)} /s`);
      }
    }
  }

  /** To be called when the field is closed: what was not done, or not recorded, by ours and without a proxy. */
  async problems(): Promise<string[]> {
    const [direct, ours] = this.#turns as [ProtocolTurns, ProtocolTurns];
    const problems = [direct, ours].flatMap(({ contender, turns }) => WORKLOADS.flatMap((workload) => turns[workload].flatMap(({ failure }) => (failure === null ? [] : [`${workload}, ${contender.name}: ${failure}`]))));
    const answered = (workload: Workload): number => ours.turns[workload].reduce((sum, { answered }) => sum + answered, 0);
    const echoed = answered('websocket') + answered('grpc');
    const messages = await recordedMessages(join(ours.contender.directory!, '.mentu/jobs/latest/flows.jsonl'));
    if (messages !== 2 * echoed) problems.push(`${echoed} messages were sent and came back, and ${messages} are recorded`);
    const requests = await this.#http3?.ours?.recorded();
    if (requests !== undefined && requests !== answered('h3')) problems.push(`${answered('h3')} requests over HTTP/3 were answered, and ${requests} are recorded`);
    return problems;
  }

  rows(): ProtocolRow[] {
    const [direct, ours] = this.#turns as [ProtocolTurns, ProtocolTurns];
    return this.#turns.map((turns) => protocolRow(turns, ours, direct));
  }

  #run(workload: Workload, { contender }: ProtocolTurns, isOurs: boolean): Promise<Tally> {
    const { seconds } = this.#options;
    if (workload === 'h3') {
      const { origin, listen, failure } = this.#http3!;
      if (isOurs && failure !== null) return Promise.resolve({ answered: 0, count: 0, seconds: Number.NaN, failure });
      return loadHttp3(isOurs ? listen : origin.port, origin.port, seconds);
    }
    const originPort = { streams: this.#field.origin.port, websocket: this.#echo?.websocketPort, grpc: this.#echo?.grpcPort }[workload]!;
    return runClient(`${workload}-client`, { proxyPort: contender.port, originPort, seconds, ...SHAPES[workload] });
  }
}

async function startHttp3(field: Field): Promise<Http3> {
  const origin = await startCaddy(field.directory, field.files);
  field.alsoEnds.push(() => origin.process.stop());
  const directory = join(field.directory, 'mentu-http3');
  mkdirSync(directory);
  const listen = await freePort();
  try {
    const ours = await startMentu({ ...STANDARD, http3: { listen, origin: origin.port } }, { directory, files: field.files });
    field.alsoEnds.push(async () => void (await ours.close()));
    return { origin, ours, listen, failure: null };
  } catch (error) {
    return { origin, ours: null, listen, failure: (error as Error).message.split('\n')[0]! };
  }
}
