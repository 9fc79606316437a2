/** A job of `mentu-runtime exec` that makes flows of every kind, and the tests of what was recorded of each. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import type { Http2ServerRequest } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { FlowRecord } from '../../core/index.ts';
import { gitBackend, makeRepository } from '../e2e/stage/git-backend.ts';
import { bodyOf, echo, Origin } from '../e2e/stage/origin.ts';
import type { Handler, OriginResponse } from '../e2e/stage/origin.ts';
import { serverIdentity } from '../e2e/stage/certificates.ts';
import { Stage } from '../e2e/stage/stage.ts';
import { GUEST_PROGRAMS } from '../e2e/stage/workspace.ts';
import type { Job } from '../e2e/stage/workspace.ts';
import type { Captured } from './captures.ts';
import { compileJava } from './clients.ts';
import type { TestedEngine } from './engines.ts';
import { StepFolder } from './steps.ts';

let stage: Stage;
const others: Origin[] = [];
const streams = new Map<string, OriginResponse>();
const write = (response: OriginResponse, text: string): void => void (response as { write(text: string): boolean }).write(text);

/** Event n+1 follows the acknowledgement of event n. */
const events: Handler = async (request, response) => {
  const host = String(request.headers[':authority'] ?? request.headers.host);
  const [, kind, number] = request.url!.split('/');
  if (kind === 'events') {
    streams.set(host, response);
    return write(response, 'data: 0\n\n');
  }
  await bodyOf(request);
  await echo(request, response);
  const next = Number(number) + 1;
  if (next < 10) write(streams.get(host)!, `data: ${next}\n\n`);
  else streams.get(host)!.end();
};

const answer: Handler = (request, response) => {
  const path = request.url!;
  if (path.startsWith('/git/')) return gitBackend(stage.workspace.folder)(request, response);
  if (/^\/(?:events|ack)\//.test(path)) return events(request, response);
  if (/^\/kinds\/\d/.test(path)) {
    response.statusCode = Number(path.slice(7));
    return void response.end();
  }
  if (path === '/kinds/gzip') {
    for (const [name, value] of [['content-encoding', 'gzip'], ['content-type', 'text/plain']] as const) response.setHeader(name, value);
    return void response.end(gzipSync('unpacked\n'));
  }
  if (path === '/large/down') return void response.end(Buffer.alloc(4 * 1024 * 1024, 'large'));
  if (path.startsWith('/endless')) {
    const timer = setInterval(() => write(response, 'more '), 10);
    return void response.once('close', () => clearInterval(timer));
  }
  if (path.startsWith('/cut')) {
    write(response, 'beginning');
    const connection = request.httpVersionMajor === 2 ? (request as Http2ServerRequest).stream.session!.socket : request.socket;
    return void setTimeout(() => connection.destroy(), 50);
  }
  return echo(request, response);
};

before(async () => {
  stage = await Stage.open(answer);
  makeRepository(stage.workspace.folder, 'repo.git', 'content of the clone\n');
  mkdirSync(stage.workspace.path('strange'));
  others.push(await Origin.open(echo), await Origin.open(echo, serverIdentity(stage.workspace.path('strange'))));
  compileJava(join(GUEST_PROGRAMS, 'Fetch.java'), stage.workspace.path('classes'));
});
after(async () => {
  await stage.close();
  await Promise.all(others.map((origin) => origin.close()));
});

/** A port of the host where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function shown({ kind, request, response, http_version, outcome, error, tls_sni }: FlowRecord): string {
  const words = request ? [request.method, request.url.replace(/\?.*/, '').replace(':443/', '/'), http_version, response?.status] : [kind, tls_sni];
  return [...words, outcome, error?.code].filter((word) => word !== undefined && word !== null).join(' ');
}

const ofCase = (flows: readonly FlowRecord[], { key }: Captured): FlowRecord[] =>
  flows.filter(({ request, tls_sni, server }) => (request && new URL(request.url).pathname.split('/')[1] === key) || (tls_sni ?? server.name) === key);

/** Declares the tests of an engine, in one guest. */
export function tryCaptures(engine: TestedEngine, captures: readonly Captured[]): void {
  describe(engine.name, () => {
    const steps = new StepFolder(captures, 15 * engine.patience);
    let job: Job;
    before(async () => {
      const [plain, strange] = others as [Origin, Origin];
      const api = stage.origin.address;
      await engine.furnish(stage.workspace.home);
      const flags = stage.profile({
        engine: engine.name,
        ...engine.profile,
        sandbox: { deniedDomains: ['evil.demo.test'] },
        hosts: { 'plain.demo.test': plain.address, 'stranger.demo.test': strange.address, 'hands.demo.test': api, 'one.demo.test': api, 'old.demo.test': api, 'events-one.demo.test': api, 'events-two.demo.test': api, 'pass.demo.test': api, 'evil.demo.test': api, 'closed.demo.test': `127.0.0.1:${await closedPort()}` },
        interceptor: { passthrough: ['pass.demo.test'] },
        mounts: [...steps.mounts, { source: 'ca.pem', destination: '/opt/stage/ca.pem', readOnly: true }, { source: 'classes', destination: '/opt/classes', readOnly: true }],
      }, `${engine.name}.json`);
      job = await stage.workspace.job(flags, [steps.command, ...steps.args], { timeout: 60_000 * engine.patience });
    });
    after(() => steps.close());

    for (const captured of captures) {
      test(captured.name, () => {
        const { stdout, stderr } = steps.result(captured.name);
        if (typeof captured.stdout === 'string') assert.equal(stdout, captured.stdout, stderr);
        else assert.match(stdout, captured.stdout, stderr);
        const flows = ofCase(job.flows, captured);
        assert.deepEqual(flows.map(shown).sort(), [...captured.flows].sort());
        for (const flow of flows) {
          const { request, response, outcome, tls, tls_sni, server } = flow;
          assert.match(flow.client.address, server.address?.includes(':') ? /^fd6d:/ : /^192\.0\.0\.2$/);
          if (request === null) continue;
          const url = new URL(request.url);
          const isBare = /^[\d.]+$|^\[/.test(url.hostname);
          assert.equal(tls_sni, url.protocol === 'http:' || isBare ? null : server.name);
          if (tls) assert.match(tls.version!, request.url.endsWith('/old') ? /^TLSv1\.2$/ : /^TLSv1\.[23]$/);
          if (/^(?:GET|PUT|POST) \/\S+ \d+\n$/.test(response?.body ?? '') && outcome === 'completed') assert.equal(response!.body, `${request.method} ${url.pathname} ${request.body_size}\n`);
        }
      });
    }

    test('and there is no line beside them, in the order in which the requests came', () => {
      assert.equal(job.code, 0, job.stderr);
      assert.equal(job.flows.length, captures.flatMap(({ flows }) => flows).length, job.flows.map(shown).join('\n'));
      const { summary } = job;
      assert.deepEqual([summary.engine, summary.boundary, summary.flows, summary.lookups], [engine.name, engine.boundary, job.lines.length, job.lines.length - job.flows.length]);
      assert.equal(summary.denied, job.flows.filter(({ outcome }) => outcome === 'denied').length);
    });
  });
}
