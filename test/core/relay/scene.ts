/** A client and an origin of HTTP/1 with a capture between them; both are a test's to write. */
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import type { Wire } from '../../stage/wire.ts';

export const GET = 'GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n';
export const POST = 'POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 100\r\n\r\n';
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export interface Scene {
  readonly client: Wire;
  readonly arrivals: Arrivals;
  readonly stage: Stage;
}

export async function scene(act: (scene: Scene) => Promise<void>, options: StageOptions = {}): Promise<void> {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'api.test': origin }, options);
  await act({ client: await stage.wire('api.test'), arrivals, stage });
}
