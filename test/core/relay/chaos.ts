/** Clients and origins that do as they please, by a seed: they leave, stall, break off and talk past each other at any moment. */
import { request as httpRequest } from 'node:http';
import type { ClientHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import type { Seed } from '../../stage/seed.ts';

export interface ChaosOrigins {
  readonly hosts: Record<string, Origin>;
  close(): Promise<void>;
}

/** Origins of every kind, each with moods. */
export async function chaosOrigins(seed: Seed): Promise<ChaosOrigins> {
  const hosts = {
    'plain.test': await Origin.raw((socket) => void moody(socket, seed)),
    'secure.test': await Origin.rawTls((socket) => void moody(socket, seed)),
    'h2.test': await Origin.h2((stream) => void moodyStream(stream, seed)),
    'deaf.test': await Origin.raw(() => {}),
    'rude.test': await Origin.raw((socket) => void socket.resetAndDestroy()),
  };
  return { hosts, close: async () => void (await Promise.all(Object.values(hosts).map((origin) => origin.close()))) };
}

const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all of it',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'no answer at all\r\n\r\n',
];

async function moody(socket: Socket, seed: Seed): Promise<void> {
  socket.resume();
  socket.on('end', () => seed.chance(0.7) && socket.end());
  while (!socket.destroyed) {
    await sleep(seed.below(8));
    const mood = seed.next();
    if (mood < 0.06) return void socket.destroy();
    if (mood < 0.1) return void socket.end();
    if (mood < 0.12 && 'resetAndDestroy' in socket && !('encrypted' in socket)) return void socket.resetAndDestroy();
    const answer = seed.pick(ANSWERS);
    const cut = seed.chance(0.2) ? seed.below(answer.length) : answer.length;
    if (socket.writable) socket.write(answer.slice(0, cut));
    if (seed.chance(0.1)) await sleep(30);
  }
}

async function moodyStream(stream: ServerHttp2Stream, seed: Seed): Promise<void> {
  if (seed.chance(0.8)) stream.resume();
  await sleep(seed.below(8));
  const mood = seed.next();
  if (stream.destroyed) return;
  if (mood < 0.1) return void stream.destroy(new Error('in a mood'));
  if (mood < 0.15) return void stream.close(seed.below(13));
  if (mood < 0.18) return void stream.session?.goaway(0);
  if (mood < 0.2) return void stream.session?.destroy();
  stream.respond({ ':status': seed.pick([200, 204, 404]) }, { endStream: seed.chance(0.2), waitForTrailers: false });
  await sleep(seed.below(5));
  if (stream.destroyed || stream.writableEnded) return;
  stream.write('x'.repeat(seed.below(200_000)));
  await sleep(seed.below(5));
  if (stream.destroyed) return;
  if (seed.chance(0.2)) stream.destroy(new Error('in a mood'));
  else stream.end();
}

const REQUESTS = [
  'GET /a HTTP/1.1\r\nHost: HOST\r\n\r\n',
  'GET /a HTTP/1.0\r\n\r\n',
  'POST /b HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello',
  'POST /b HTTP/1.1\r\nHost: HOST\r\nContent-Length: 50000\r\n\r\nhello',
  'POST /c HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'PUT /d HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  'GET /chat HTTP/1.1\r\nHost: HOST\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\nhello',
  'GET /x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n',
  'GET /bad HTTP/1.1\r\n\r\n',
  '\0\x01\x02',
  'POST /e HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
];

/** One client with a handful of requests, which may leave at any moment. */
export async function chaosClient(stage: Stage, seed: Seed): Promise<void> {
  const host = seed.pick(['plain.test', 'plain.test', 'secure.test', 'secure.test', 'h2.test', 'h2.test', 'deaf.test', 'rude.test', 'gone.test']);
  const kind = seed.next();
  try {
    if (kind < 0.1) return await viaAbsoluteForm(stage, host, seed);
    const socket = await stage.tunnel(host, host === 'plain.test' ? 80 : 443);
    socket.on('error', () => {});
    if (kind < 0.15) return void socket.end(seed.bytes(seed.below(300)));
    if (host === 'plain.test') return await talk(socket, host, seed);
    const tls = connectTls({ socket, servername: host, ca: seed.chance(0.95) ? stage.capture.authority.certificate : undefined, ALPNProtocols: host === 'h2.test' ? ['h2', 'http/1.1'] : ['http/1.1'] });
    tls.on('error', () => {});
    if (seed.chance(0.1)) return void (await sleep(seed.below(10)), socket.destroy());
    const secured = await new Promise<boolean>((resolve) => {
      tls.once('secureConnect', () => resolve(true)).once('close', () => resolve(false));
      setTimeout(resolve, 150, false).unref();
    });
    if (!secured) return void socket.destroy();
    if (tls.alpnProtocol === 'h2') await streams(tls, host, seed);
    else await talk(tls, host, seed);
  } catch (error) {
    // The capture may end before the tunnel stands.
    if (!/tunnel|ECONN/.test(String(error))) throw error;
  }
}

async function talk(socket: Socket, host: string, seed: Seed): Promise<void> {
  socket.on('data', () => {});
  for (let left = 1 + seed.below(4); left > 0 && socket.writable; left--) {
    const text = seed.pick(REQUESTS).replace('HOST', host);
    const cut = seed.chance(0.15) ? seed.below(text.length) : text.length;
    socket.write(text.slice(0, cut), 'latin1');
    await sleep(seed.below(12));
  }
  if (seed.chance(0.3)) socket.end();
  await sleep(seed.below(40));
  socket.destroy();
}

async function streams(tls: Socket, host: string, seed: Seed): Promise<void> {
  const { connect } = await import('node:http2');
  const session: ClientHttp2Session = connect(`https://${host}`, { createConnection: () => tls });
  session.on('error', () => {});
  for (let left = 1 + seed.below(8); left > 0 && !session.destroyed && !session.closed; left--) {
    const hasBody = seed.chance(0.5);
    const stream = session.request({ ':path': `/${left}`, ':authority': host, ':method': hasBody ? 'POST' : 'GET' }, { endStream: !hasBody });
    stream.on('error', () => {});
    if (seed.chance(0.8)) stream.resume();
    if (hasBody) stream.write('y'.repeat(seed.below(50_000)));
    if (hasBody && seed.chance(0.7)) stream.end();
    if (seed.chance(0.2)) setTimeout(() => stream.destroy(new Error('enough')), seed.below(15));
    if (seed.chance(0.5)) await sleep(seed.below(5));
  }
  await sleep(seed.below(60));
  if (seed.chance(0.3)) session.close();
  await sleep(5);
  session.destroy();
}

function viaAbsoluteForm(stage: Stage, host: string, seed: Seed): Promise<void> {
  return new Promise((resolve) => {
    const request = httpRequest({ host: '127.0.0.1', port: stage.port, path: `http://${host}/abs`, headers: { host }, agent: false }, (response) => {
      response.on('error', () => {}).on('close', resolve).resume();
    });
    request.on('error', () => resolve()).on('close', () => resolve());
    setTimeout(() => request.destroy(), seed.below(60));
    request.end();
  });
}
