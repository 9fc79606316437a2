/** Foreign clients of raw protocols in a guest, with foreign servers outside. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../../core/index.ts';
import { gitDaemon, postgresDaemon, redisDaemon, smtpDaemon, sshDaemon, type Daemon } from '../stage/daemons.ts';
import { Stage } from '../stage/stage.ts';
import type { Job } from '../stage/workspace.ts';
import { row } from './row.ts';

const SSH = 'ssh -i /keys/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=10';
const PSQL = 'psql -X -t -A -c "select 40 + 2"';

let stage: Stage;
let daemons: Daemon[];
let proxy: Server;

before(async () => {
  stage = await Stage.open();
  daemons = await Promise.all([sshDaemon(stage.workspace.path('keys', 'id')), postgresDaemon(stage.workspace.folder), redisDaemon(), smtpDaemon(stage.workspace.folder), gitDaemon()]);
  const [ssh, pg, redis, smtp, git] = daemons.map(({ address }) => address) as [string, string, string, string, string];
  proxy = createHttpServer().on('connect', (_request, client, head) => {
    const upstream = connect(Number(stage.origin.address.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const end of [client, upstream]) end.on('error', () => void [client.destroy(), upstream.destroy()]);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const proxied = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const keys = [{ source: 'keys', destination: '/keys', readOnly: true }];
  stage.profile({ mounts: keys, hosts: { 'ssh.demo.test': ssh, 'pg.demo.test': pg, 'redis.demo.test': redis, 'mail.demo.test': smtp, 'git.demo.test': git, 'proxy.demo.test': proxied } });
});
after(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
  await Promise.all((daemons ?? []).map((daemon) => daemon.close()));
  await stage.close();
});

async function inGuest(script: string): Promise<Job> {
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['sh', '-c', script]);
  assert.equal(job.code, 0, job.stderr + job.stdout);
  return job;
}

/** The one flow of a job, in the words of its row. */
function streamOf({ flows }: Job, kept: (up: string, down: string) => void): string {
  assert.equal(flows.length, 1, JSON.stringify(flows.map(({ kind, outcome, error }) => ({ kind, outcome, error }))));
  const { kind, outcome, error, tcp, tls, upstream, bytes, timing, violation } = flows[0]!;
  assert.deepEqual([kind, outcome, error, violation], ['tcp', 'completed', null, null]);
  assert.ok(bytes.up > 0 && bytes.down > 0 && timing.connect !== null && upstream !== null);
  const text = ({ data, data_encoding }: NonNullable<FlowRecord['tcp']>['up']): string => Buffer.from(data!, data_encoding === 'base64' ? 'base64' : 'latin1').toString('latin1');
  kept(text(tcp!.up), text(tcp!.down));
  const secured = tcp!.upgraded_by === null ? '' : `, ${tcp!.upgraded_by}, ${tls!.version} and ${upstream.tls!.version}`;
  return `1 flow: ${tcp!.protocol}, the ${tcp!.speaks_first} first${secured}`;
}

row({ client: 'ssh', server: 'sshd', protocol: 'SSH', result: '1 flow: ssh' }, async () => {
  const job = await inGuest(`${SSH} ${userInfo().username}@ssh.demo.test 'expr 40 + 2'`);
  assert.equal(job.stdout, '42\n');
  // Neither waits for the other.
  return streamOf(job, (up, down) => assert.ok(up.startsWith('SSH-2.0-OpenSSH') && down.startsWith('SSH-2.0-OpenSSH'))).replace(/, the (?:client|server) first$/, '');
});

row({ client: 'psql', server: 'PostgreSQL', protocol: 'PostgreSQL with SSL', result: '1 flow: postgresql, the client first, sslrequest, TLSv1.3 and TLSv1.3' }, async () => {
  const job = await inGuest(`${PSQL} "host=pg.demo.test user=postgres sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt"`);
  assert.equal(job.stdout, '42\n');
  return streamOf(job, (up, down) => assert.ok(up.includes('select 40 + 2') && down.includes('SELECT 1')));
});

row({ client: 'psql', server: 'PostgreSQL', protocol: 'PostgreSQL without SSL', result: '1 flow: postgresql, the client first' }, async () => {
  const job = await inGuest(`${PSQL} "host=pg.demo.test user=postgres sslmode=disable"`);
  assert.equal(job.stdout, '42\n');
  return streamOf(job, (up, down) => assert.ok(up.includes('select 40 + 2') && down.includes('SELECT 1')));
});

row({ client: 'redis-cli', server: 'Redis', protocol: 'RESP', result: '1 flow: redis, the client first' }, async () => {
  const job = await inGuest('printf "SET answer 42\\nGET answer\\n" | redis-cli -h redis.demo.test');
  assert.equal(job.stdout, 'OK\n42\n');
  return streamOf(job, (up, down) => assert.ok(up.includes('SET\r\n$6\r\nanswer\r\n') && down.startsWith('*')));
});

row({ client: 'swaks', server: 'aiosmtpd', protocol: 'SMTP with STARTTLS', result: '1 flow: smtp, the server first, starttls, TLSv1.3 and TLSv1.3' }, async () => {
  const job = await inGuest('swaks --server mail.demo.test --tls --tls-verify --from a@demo.test --to b@demo.test --body "the answer is 42"');
  assert.match(job.stdout, /<~ {1,2}250 OK/);
  return streamOf(job, (up) => assert.ok(up.includes('STARTTLS\r\n') && up.includes('RCPT TO:<b@demo.test>') && up.includes('the answer is 42')));
});

row({ client: 'openssl s_client', server: 'aiosmtpd', protocol: 'SMTP with STARTTLS', result: '1 flow: smtp, the server first, starttls, TLSv1.3 and TLSv1.3' }, async () => {
  const job = await inGuest('(sleep 1; printf "NOOP\\r\\n"; sleep 1; printf "QUIT\\r\\n") | openssl s_client -starttls smtp -connect mail.demo.test:25 -verify_return_error -quiet -crlf');
  assert.match(job.stdout, /221 Bye/);
  return streamOf(job, (up) => assert.ok(up.includes('STARTTLS\r\n') && up.includes('NOOP\r')));
});

row({ client: 'git', server: 'git daemon', protocol: 'git', result: '1 flow: git, the client first' }, async () => {
  const job = await inGuest('git clone -q git://git.demo.test/one.git clone && git -C clone log --format=%s');
  assert.equal(job.stdout, 'the first\n');
  return streamOf(job, (up, down) => assert.ok(up.includes('git-upload-pack /one.git') && down.includes('refs/heads/main')));
});

row({ client: 'curl', server: 'node:http as a proxy', protocol: 'CONNECT, and HTTPS inside', result: 'CONNECT api.demo.test:443 200, GET https://api.demo.test/inside 200' }, async () => {
  const { flows, stdout } = await inGuest('curl -sS -x http://proxy.demo.test:3128 https://api.demo.test/inside -o /dev/null -w "%{http_code}"');
  assert.equal(stdout, '200');
  assert.deepEqual(flows.map(({ kind, server }) => [kind, server.name]), [['http', 'proxy.demo.test'], ['http', 'api.demo.test']]);
  const [outer, inner] = flows;
  assert.ok(inner!.upstream!.tls !== null && inner!.tls !== null && outer!.tls === null);
  return `CONNECT ${outer!.request!.url.slice(7)} ${outer!.response!.status}, GET ${inner!.request!.url} ${inner!.response!.status}`;
});

test('what is not allowed with its port is reset, with one violation each and nothing dialled', async () => {
  let accepted = 0;
  const bait = createServer((socket) => void (accepted++, socket.destroy())).listen(0, '127.0.0.1');
  await once(bait, 'listening');
  const address = `127.0.0.1:${(bait.address() as AddressInfo).port}`;
  const names = ['ssh', 'pg', 'redis', 'mail', 'silent'].map((name) => `${name}.bait.test`);
  stage.profile({ hosts: Object.fromEntries([...names, 'proxy.demo.test'].map((name) => [name, address])), sandbox: { allowedDomains: ['*.bait.test', 'proxy.demo.test', 'mail.bait.test:26'] } }, 'denied.json');
  const commands = [
    `${SSH} a@ssh.bait.test true`,
    `${PSQL} "host=pg.bait.test user=postgres sslmode=disable"`,
    'redis-cli -h redis.bait.test PING',
    'swaks --server mail.bait.test --quit-after EHLO',
    'python3 -c "import socket; s = socket.create_connection((\'silent.bait.test\', 110)); s.recv(1)"',
    'curl -sS -x http://proxy.demo.test:3128 https://elsewhere.test/',
  ];
  const job = await stage.workspace.job(['--profile', 'denied.json'], ['sh', '-c', commands.map((command) => `${command}; echo "$?"`).join('\n')]);
  bait.close();
  const statuses = job.stdout.split('\n').filter((line) => /^\d+$/.test(line)).map(Number);
  assert.equal(statuses.length, commands.length, job.stdout);
  assert.ok(statuses.every((status) => status !== 0), job.stdout + job.stderr);
  assert.match(job.stderr, /reset by peer/i);
  assert.equal(accepted, 0);
  assert.deepEqual(
    job.flows.map(({ kind, outcome, server, violation, bytes }) => [kind, outcome, server.name, violation?.rule.replace(/ \(.*/, ''), bytes.up]),
    [...[[22, 'ssh'], [5432, 'pg'], [6379, 'redis'], [25, 'mail'], [110, 'silent']].map(([port, name]) => ['tcp', 'denied', `${name}.bait.test`, `allowedDomains: no entry with the port ${port}, which a protocol other than HTTP needs`, 0]), ['http', 'denied', 'proxy.demo.test', 'allowedDomains: no entry', 0]],
  );
});
