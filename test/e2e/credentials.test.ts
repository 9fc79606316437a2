/** The plugin `redact` in a real job: passwords that foreign clients of raw protocols send in clear, also inside TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { postgresDaemon, redisDaemon, smtpDaemon, type Daemon } from './stage/daemons.ts';
import { Stage } from './stage/stage.ts';

const SECRET = 'hunter2-s3cret';
const encoded = (text: string): string => Buffer.from(text).toString('base64');
/** What gives it away, in clear and as the mechanisms of mail encode it. */
const SIGNS = [SECRET, encoded(SECRET), encoded(`\0alice\0${SECRET}`)];

let stage: Stage;
let daemons: Daemon[];
/** A mailbox that is empty. */
const mailbox = createServer((socket) => {
  socket.on('error', () => {});
  socket.write('+OK ready\r\n');
  socket.on('data', (chunk) => socket.write(/^(?:USER|PASS|QUIT)/.test(String(chunk)) ? '+OK\r\n' : /^LIST/.test(String(chunk)) ? '+OK\r\n.\r\n' : '-ERR\r\n'));
});

before(async () => {
  stage = await Stage.open();
  daemons = await Promise.all([postgresDaemon(stage.workspace.folder, SECRET), redisDaemon('--requirepass', SECRET), smtpDaemon(stage.workspace.folder)]);
  mailbox.listen(0, '127.0.0.1');
  await once(mailbox, 'listening');
});
after(async () => {
  mailbox.close();
  await Promise.all((daemons ?? []).map((daemon) => daemon.close()));
  await stage.close();
});

test('none of them is in the record, and what was said beside them is', { timeout: 120_000 }, async () => {
  const [pg, redis, mail] = daemons.map(({ address }) => address) as [string, string, string];
  stage.workspace.write('masked.yaml', 'extends: standard\nplugins:\n  - redact\n');
  const flags = stage.profile({ hosts: { 'pg.demo.test': pg, 'redis.demo.test': redis, 'mail.demo.test': mail, 'pop.demo.test': `127.0.0.1:${(mailbox.address() as AddressInfo).port}` } });
  const swaks = 'swaks --server mail.demo.test --tls --from a@demo.test --to b@demo.test -au alice -ap';
  const commands = [
    `curl -sS pop3://alice:${SECRET}@pop.demo.test/`,
    `redis-cli -h redis.demo.test --no-auth-warning -a ${SECRET} GET answer`,
    ...['disable', 'require'].map((mode) => `PGPASSWORD=${SECRET} psql -X -t -A -c "select 40 + 2" "host=pg.demo.test user=postgres sslmode=${mode}"`),
    `${swaks} ${SECRET} --auth PLAIN || true`,
    `${swaks} ${SECRET} --auth LOGIN || true`,
  ];
  const { code, stdout, stderr, flows } = await stage.workspace.job([...flags, '--preset', 'masked.yaml'], ['sh', '-ec', commands.join('\n')]);
  assert.equal(code, 0, stderr + stdout);
  assert.equal(stdout.match(/^42$/gm)?.length, 2, stdout);
  const said = flows.map(({ tcp }) => Buffer.from(tcp!.up.data!, tcp!.up.data_encoding!).toString('latin1'));
  assert.deepEqual(flows.map(({ tcp }) => tcp!.protocol), ['pop3', 'redis', 'postgresql', 'postgresql', 'smtp', 'smtp']);
  for (const text of [JSON.stringify(flows), ...said]) for (const sign of SIGNS) assert.ok(!text.includes(sign), text);
  const kept = [/USER alice\r\nPASS \[redacted\]\r\nLIST\r\nQUIT/, /AUTH\r\n\$14\r\n\[redacted\]\r\n[^]*GET\r\n/, /user\0postgres[^]*p\0\0\0\x13\[redacted\]Q[^]*select 40/, /p\0\0\0\x13\[redacted\]Q/, /STARTTLS\r\n[^]*AUTH PLAIN \[redacted\]\r\n/, /AUTH LOGIN\r\n\[redacted\]\r\n/];
  kept.forEach((pattern, at) => assert.match(said[at]!, pattern));
  assert.ok(flows.every(({ annotations }) => (annotations['redact'] as { masked: number }).masked > 0));
});
