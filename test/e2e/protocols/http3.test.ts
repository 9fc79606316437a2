/** HTTP/3 in a guest, by clients of other makers, to a server of another: caddy, with HTTP/3 and without. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { FlowRecord } from '../../../core/index.ts';
import { Caddy } from '../../stage/caddy.ts';
import { PAGE, chromiumArgs } from '../stage/chromium.ts';
import { GUEST_NODE, Stage } from '../stage/stage.ts';
import type { Job } from '../stage/workspace.ts';
import { row } from './row.ts';

const MODULES = realpathSync(join(import.meta.dirname, '../../../node_modules'));
const HOST = 'h3.demo.test';
const OLDER = 'older.demo.test';
const DENIED = 'evil.demo.test';
let stage: Stage;
let caddy: Caddy;
let older: Caddy;

before(async () => {
  stage = await Stage.open();
  caddy = await Caddy.open({ identity: stage.identity, host: HOST });
  older = await Caddy.open({ identity: stage.identity, host: OLDER, protocols: 'h1 h2' });
  stage.profile({
    hosts: { [HOST]: `127.0.0.1:${caddy.port}`, [OLDER]: `127.0.0.1:${older.port}`, [DENIED]: `127.0.0.1:${caddy.port}` },
    sandbox: { deniedDomains: [DENIED] },
    mounts: [{ source: MODULES, destination: '/opt/modules/node_modules', readOnly: true }],
  });
});
after(async () => {
  for (const server of [caddy, older]) await server?.[Symbol.asyncDispose]();
  await stage.close();
});

/** What a guest's command did: its flows over HTTP, all of them complete. */
async function inGuest(...command: string[]): Promise<{ job: Job; flows: FlowRecord[] }> {
  const job = await stage.workspace.job(['--profile', 'profile.json'], command);
  const flows = job.flows.filter(({ kind }) => kind === 'http');
  for (const { outcome, tls } of flows) assert.deepEqual([outcome, tls!.alpn, tls!.version, tls!.ja4![0]], ['completed', 'h3', 'TLSv1.3', 'q'], job.stdout + job.stderr);
  return { job, flows };
}

const versions = (flows: readonly FlowRecord[]): string => `${flows.length} ${flows.length === 1 ? 'flow' : 'flows'}, HTTP/${[...new Set(flows.map(({ http_version }) => http_version))]} and ${[...new Set(flows.map(({ upstream }) => upstream!.http_version))]}`;
const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** ngtcp2's client ends with 0 whatever came of it. */
const gtlsclient = (host: string, path: string, more = ''): string => `timeout 20 gtlsclient -q --exit-on-all-streams-close --timeout=10s ${more} ${host} 443 https://${host}${path}`;

row({ client: 'gtlsclient of ngtcp2', server: 'caddy', protocol: 'HTTP/3, 2 MB down and up', result: '2 flows, HTTP/3 and 3, sums equal' }, async () => {
  const file = randomBytes(2_000_000);
  caddy.write('file', file);
  const { job, flows } = await inGuest('sh', '-c', `cd /tmp && ${gtlsclient(HOST, '/files/file', '--download=/tmp')} && sha256sum file && ${gtlsclient(HOST, '/up', '-m POST -d file')}`);
  assert.match(job.stdout, new RegExp(`^${sum(file)}`, 'm'));
  const [down, up] = flows as [FlowRecord, FlowRecord];
  assert.deepEqual([down.response!.status, down.response!.body_sha256, down.request!.url], [200, sum(file), `https://${HOST}/files/file`]);
  assert.deepEqual([up.request!.method, up.request!.body_sha256], ['POST', sum(file)]);
  assert.match(up.response!.body!, new RegExp(sum(file)));
  return `${versions(flows)}, sums equal`;
});

row({ client: 'gtlsclient of ngtcp2', server: 'caddy', protocol: 'HTTP/3, 200 requests on one connection', result: '200 flows, HTTP/3 and 3, 1 connection' }, async () => {
  const { flows } = await inGuest('sh', '-c', gtlsclient(HOST, '/hello', '-n 200 --max-streams-bidi=100'));
  assert.ok(flows.every(({ response }) => response!.body === 'hello from caddy'));
  return `${versions(flows)}, ${new Set(flows.map(({ connection_id }) => connection_id)).size} connection`;
});

row({ client: 'gtlsclient of ngtcp2', server: 'caddy without HTTP/3', protocol: 'HTTP/3 to HTTP/2', result: '1 flow, HTTP/3 and 2' }, async () => {
  const { flows } = await inGuest('sh', '-c', gtlsclient(OLDER, '/hello'));
  assert.equal(flows[0]!.response!.body, 'hello from caddy');
  return versions(flows);
});

row({ client: 'impit', server: 'caddy', protocol: 'HTTP/3', result: '2 flows, HTTP/3 and 3' }, async () => {
  const script = `
    const { Impit } = await import('/opt/modules/node_modules/impit/index.wrapper.js').then((module) => module.default ?? module);
    const client = new Impit({ http3: true, ignoreTlsErrors: true });
    const got = await client.fetch('https://${HOST}/hello', { forceHttp3: true });
    const sent = await client.fetch('https://${HOST}/up', { forceHttp3: true, method: 'POST', body: 'x'.repeat(100000) });
    console.log(got.status, await got.text(), (await sent.json()).size);`;
  const { job, flows } = await inGuest(GUEST_NODE, '--input-type=module', '-e', script);
  assert.equal(job.stdout.trim(), '200 hello from caddy 100000', job.stderr);
  return versions(flows);
});

row({ client: 'Chromium', server: 'caddy', protocol: 'HTTP/3', result: '3 flows, HTTP/3 and 3' }, async () => {
  for (const [path, { text }] of Object.entries(PAGE)) caddy.write(`${path.slice(1)}${path === '/page' ? '.html' : ''}`, Buffer.from(text.replaceAll('"/', '"/files/')));
  const args = chromiumArgs(`https://${HOST}/files/page.html`, '/tmp/browser', `--origin-to-force-quic-on=${HOST}:443`).filter((arg) => arg !== '--disable-quic');
  const { job, flows } = await inGuest('chromium', ...args);
  assert.match(job.stdout, /script ran, width 123px/, job.stderr);
  const page = flows.filter(({ server }) => server.name === HOST);
  assert.deepEqual(page.map(({ request }) => new URL(request!.url).pathname).sort(), ['/files/page.html', '/files/script.js', '/files/style.css']);
  return versions(page);
});

row({ client: 'curl', server: 'caddy', protocol: 'alt-svc over HTTP/2, in a guest that is served HTTP/3', result: '1 flow, HTTP/2, the entry of h3 passed on' }, async () => {
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['curl', '-sSi', `https://${HOST}/hello`]);
  const flows = job.flows.filter(({ kind }) => kind === 'http');
  assert.match(job.stdout, new RegExp(`^alt-svc: h3=":${caddy.port}"`, 'm'));
  assert.equal(flows[0]!.annotations['core'], undefined);
  return `${flows.length} flow, HTTP/${flows[0]!.http_version}, the entry of h3 passed on`;
});

row({ client: 'gtlsclient of ngtcp2', server: 'caddy', protocol: 'HTTP/3 to a denied name', result: '1 flow, denied, 403, 1 violation' }, async () => {
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['sh', '-c', gtlsclient(DENIED, '/hello').replace(' -q', '')]);
  assert.match(job.stdout + job.stderr, /:status: 403/);
  const flows = job.flows.filter(({ kind }) => kind === 'http');
  const [{ outcome, response, upstream, violation }] = flows as [FlowRecord];
  assert.deepEqual([upstream, violation!.rule], [null, `deniedDomains: ${DENIED} (profile profile.json)`]);
  assert.deepEqual(response!.headers.find(([name]) => name === 'x-mentu-violation'), ['x-mentu-violation', violation!.id]);
  const signals = await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id);
  return `${flows.length} flow, ${outcome}, ${response!.status}, ${signals.length} violation`;
});
