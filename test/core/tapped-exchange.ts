/** One exchange through a capture whose hooks a test taps. */
import type { FlowRecord, PluginHooks } from '../../core/index.ts';
import { Stage, type StageOptions } from '../stage/captured.ts';
import { Origin } from '../stage/origin.ts';
import type { Wire } from '../stage/wire.ts';

export interface Outcome {
  readonly head: string;
  readonly body: string;
  readonly record: FlowRecord;
  readonly reached: string[];
  readonly stage: Stage;
}

/** One POST through a capture whose hooks a test taps. */
export async function exchange(tap: (hooks: PluginHooks) => void, options: StageOptions = {}): Promise<Outcome> {
  const reached: string[] = [];
  await using origin = await Origin.http((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk)).on('end', () => {
      reached.push(`${request.method} ${request.url} ${request.rawHeaders.join('|')} ${body}`);
      response.setHeader('x-origin', '1');
      response.write('first ');
      setTimeout(() => response.end('second'), 10);
    });
  });
  await using stage = await Stage.open({ 'api.test': origin }, { ...options, tap });
  const client = await stage.wire('api.test');
  client.write('POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n\r\nbody');
  const { head, body } = await response(client);
  return { head, body, record: await stage.record(), reached, stage };
}

async function response(client: Wire): Promise<{ head: string; body: string }> {
  const head = await client.take('\r\n\r\n');
  if (!/transfer-encoding: chunked/i.test(head)) return { head, body: await client.takeBytes(Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)) };
  return { head, body: (await client.take('0\r\n\r\n')).split('\r\n').filter((_line, at) => at % 2 === 1).join('') };
}
