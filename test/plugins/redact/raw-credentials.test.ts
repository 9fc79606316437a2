/** Credentials of raw protocols: in what clients and servers say in them, and nothing else. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { maskCredentials } from '../../../plugins/redact/raw-credentials.ts';

const SECRET = 'hunter2-s3cret';
const BASE64 = Buffer.from(`\0alice\0${SECRET}`).toString('base64');
const M = '[redacted]';

const masked = (protocol: string | null, said: string | Buffer, direction: 'up' | 'down' = 'up'): string | undefined => maskCredentials(protocol, direction, Buffer.from(said as string, 'latin1'))?.bytes.toString('latin1');
const prefixed = (size: (bytes: Buffer, length: number) => void, width: number) => (body: string | Buffer): Buffer => {
  const head = Buffer.alloc(width);
  const bytes = Buffer.from(body as string, 'latin1');
  size(head, bytes.length);
  return Buffer.concat([head, bytes]);
};

describe('lines', () => {
  const cases: readonly (readonly [string | null, string, string])[] = [
    ['pop3', `USER alice\r\nPASS ${SECRET}\r\nSTAT\r\n`, `USER alice\r\nPASS ${M}\r\nSTAT\r\n`],
    [null, `USER alice\nPASS ${SECRET} more`, `USER alice\nPASS ${M}`],
    ['pop3', 'APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n', `APOP alice ${M}\r\n`],
    ['ftp', `AUTH TLS\r\nPBSZ 0\r\nUSER a\r\nPASS ${SECRET}\r\nACCT ${SECRET}\r\nLIST\r\n`, `AUTH TLS\r\nPBSZ 0\r\nUSER a\r\nPASS ${M}\r\nACCT ${M}\r\nLIST\r\n`],
    ['smtp', `EHLO x\r\nAUTH PLAIN ${BASE64}\r\nMAIL FROM:<a@b>\r\n`, `EHLO x\r\nAUTH PLAIN ${M}\r\nMAIL FROM:<a@b>\r\n`],
    ['smtp', `auth login\r\nYWxpY2U=\r\naHVudGVyMi1zM2NyZXQ=\r\nQUIT\r\n`, `auth login\r\n${M}\r\n${M}\r\nQUIT\r\n`],
    ['smtp', `AUTH LOGIN YWxpY2U=\r\n${SECRET} in clear\r\nRSET\r\n`, `AUTH LOGIN ${M}\r\n${M}\r\nRSET\r\n`],
    ['smtp', `AUTH NOVEL ${SECRET}\r\n${BASE64}\r\nNOOP\r\n`, `AUTH ${M}\r\n${M}\r\nNOOP\r\n`],
    ['imap', `a1 LOGIN alice "${SECRET}"\r\na2 SELECT INBOX\r\n`, `a1 LOGIN ${M}\r\na2 SELECT INBOX\r\n`],
    ['imap', `a1 LOGIN {5}\r\nalice {14+}\r\n${SECRET}\r\na2 NOOP\r\n`, `a1 LOGIN ${M}\r\na2 NOOP\r\n`],
    ['imap', `a1 AUTHENTICATE PLAIN ${BASE64}\r\na2 LIST "" *\r\n`, `a1 AUTHENTICATE PLAIN ${M}\r\na2 LIST "" *\r\n`],
    ['imap', `a1 AUTHENTICATE SCRAM-SHA-256\r\n${BASE64}\r\n\r\n${BASE64}\r\na2 IDLE\r\n`, `a1 AUTHENTICATE SCRAM-SHA-256\r\n${M}\r\n\r\n${M}\r\na2 IDLE\r\n`],
    ['nntp', `AUTHINFO USER a\r\nAUTHINFO PASS ${SECRET}\r\nGROUP g\r\n`, `AUTHINFO USER a\r\nAUTHINFO PASS ${M}\r\nGROUP g\r\n`],
    ['irc', `PASS ${SECRET}\r\nNICK a\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE ${BASE64}\r\nPRIVMSG NickServ :IDENTIFY ${SECRET}\r\nPRIVMSG #a :IDENTIFY yourself\r\n`, `PASS ${M}\r\nNICK a\r\nAUTHENTICATE PLAIN\r\nAUTHENTICATE ${M}\r\nPRIVMSG NickServ :IDENTIFY ${M}\r\nPRIVMSG #a :IDENTIFY yourself\r\n`],
    [null, `AUTH ${SECRET}\r\nGET a\r\n`, `AUTH ${M}\r\nGET a\r\n`],
    ['nats', `CONNECT {"user":"a","pass":"${SECRET}"}\r\nPING\r\n`, `CONNECT ${M}\r\nPING\r\n`],
    ['stomp', `CONNECT\nlogin:a\npasscode:${SECRET}\n\n\0`, `CONNECT\nlogin:a\npasscode:${M}\n\n\0`],
    ['rsync', '@RSYNCD: 31.0\nmodule\nalice 5VUBBvJZzZ1tTqYfNrZg2A\n', `@RSYNCD: 31.0\nmodule\nalice ${M}\n`],
    ['xmpp', `<stream:stream><auth mechanism='PLAIN'>${BASE64}</auth><iq/>`, `<stream:stream><auth mechanism='PLAIN'>${M}</auth><iq/>`],
    ['git', '0032git-upload-pack /one.git\0host=a\0', '0032git-upload-pack /one.git\0host=a\0'],
  ];
  for (const [protocol, said, shown] of cases) test(`of ${protocol}: ${said.slice(0, 30).replace(/\s+/g, ' ')}`, () => assert.equal(masked(protocol, said), shown));

  test('of a server: challenges and proofs', () => {
    assert.equal(masked('smtp', `220 x ESMTP\r\n334 ${BASE64}\r\n250 OK\r\n`, 'down'), `220 x ESMTP\r\n334 ${M}\r\n250 OK\r\n`);
  });
});

test('Redis: AUTH and HELLO, passwords that are set and told, and commands that are cut or inline', () => {
  const command = (...words: string[]): string => `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
  const told = (...words: string[]): string => `*${words.length}\r\n${words.map((word) => (word.startsWith(SECRET) ? `$${word.length}\r\n${M}\r\n` : `$${word.length}\r\n${word}\r\n`)).join('')}`;
  for (const words of [['auth', SECRET], ['AUTH', `${SECRET}user`, SECRET], ['HELLO', '3', 'AUTH', `${SECRET}user`, SECRET, 'SETNAME', 'a'], ['CONFIG', 'SET', 'maxmemory', '1', 'requirepass', SECRET], ['MIGRATE', 'h', '1', '', '0', '1', 'AUTH', SECRET]]) {
    assert.equal(masked('redis', command(...words) + command('GET', 'AUTH')), told(...words) + command('GET', 'AUTH'), words.join(' '));
  }
  assert.equal(masked('redis', `${command('ACL', 'SETUSER', 'a', 'on', `>${SECRET}`)}`)?.includes(SECRET), false);
  assert.equal(masked('redis', command('AUTH', SECRET).slice(0, -9)), `*2\r\n$4\r\nAUTH\r\n$14\r\n${M}`);
  assert.equal(masked('redis', `${command('PING')}AUTH ${SECRET}\r\nGET a\r\n`), `${command('PING')}AUTH ${M}\r\nGET a\r\n`);
  assert.equal(masked('redis', `*2\r\n$4\r\nAUTH\r\n${SECRET}\r\n`), undefined);
  assert.equal(masked('redis', command('requirepass', SECRET), 'down'), told('requirepass', SECRET));
});

test('PostgreSQL: whatever answers a request for authentication, passwords in SQL, and the proof of SCRAM', () => {
  const message = (type: string, body: string): string => type + prefixed((head, length) => head.writeUInt32BE(length + 4), 4)(body).toString('latin1');
  const start = message('', '\0\x03\0\0user\0alice\0\0');
  const asked = '\0\0\0\x08\x04\xd2\x16\x2f';
  for (const secret of [`${SECRET}\0`, 'md5c4c9334bac560ecc979e58001b3e22fb\0', `SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=abc`]) {
    const [type, after] = [message('p', secret), message('Q', 'select 1\0')];
    assert.equal(masked('postgresql', asked + start + type + after), asked + start + type.slice(0, 5) + M + after);
  }
  assert.equal(masked('postgresql', start + message('Q', `ALTER USER a PASSWORD '${SECRET}'\0`))?.includes(`PASSWORD '${M}'`), true);
  assert.equal(masked('postgresql', `${start}no message`), undefined);
  assert.equal(masked('postgresql', `R v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=`, 'down'), `R v=${M}`);
});

test('MySQL: what the client sends before its first command, and a change of user', () => {
  const packet = (number: number, body: string): string => prefixed((head, length) => (head.writeUIntLE(length, 0, 3), (head[3] = number)), 4)(body).toString('latin1');
  const [login, cleartext, query, change] = [packet(1, `\x85\xa6\xff\x01 alice\0\x14${SECRET}`), packet(3, `${SECRET}\0`), packet(0, '\x03select 1'), packet(0, `\x11alice\0\x14${SECRET}`)];
  assert.equal(masked('mysql', login + cleartext + query + change), login.slice(0, 4) + M + cleartext.slice(0, 4) + M + query + change.slice(0, 4) + M);
});

test('LDAP: a simple and a SASL bind, and operations on passwords', () => {
  const element = (tag: number, body: string): string => String.fromCharCode(tag, body.length) + body;
  const message = (tag: number, body: string): string => element(0x30, element(2, '\x01') + element(tag, body));
  const bind = (choice: string): string => message(0x60, element(2, '\x03') + element(4, 'cn=alice') + choice);
  const search = message(0x63, element(4, 'dc=test'));
  assert.equal(masked('ldap', bind(element(0x80, SECRET)) + search), bind(element(0x80, SECRET)).slice(0, -SECRET.length - 2) + M + search);
  assert.equal(masked('ldap', bind(element(0xa3, element(4, 'PLAIN') + element(4, SECRET))))?.includes(SECRET), false);
  assert.equal(masked('ldap', message(0x66, `userPassword ${SECRET}`))?.includes(SECRET), false);
  assert.equal(masked('ldap', `${search}0\x80${SECRET}and more of it`), undefined);
});

test('MQTT: what follows the name of the client', () => {
  const text = prefixed((head, length) => head.writeUInt16BE(length), 2);
  const packet = (type: number, ...parts: (string | Buffer)[]): string => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1')));
    return String.fromCharCode(type, body.length) + body.toString('latin1');
  };
  const beginning = ['\0\x04MQTT\x04\xc2\0\x3c', text('device')];
  const publish = packet(0x30, text('topic'), 'hello');
  const connect = packet(0x10, ...beginning, text('alice'), text(SECRET));
  assert.equal(masked('mqtt', connect + publish), connect.slice(0, 2) + Buffer.concat(beginning.map((part) => Buffer.from(part as string, 'latin1'))).toString('latin1') + M + publish);
  assert.equal(masked('mqtt', packet(0x10, '\0\x04MQTT\x05\xc2\0\x3c\0', text('device'), text('alice'), text(SECRET)))?.includes(SECRET), false);
});

test('what cannot be told apart is not shown, but what the server says is', () => {
  for (const protocol of ['telnet', 'rfb', 'tds', 'mongodb', 'kafka', 'amqp', 'cassandra', 'smb']) {
    assert.equal(masked(protocol, `alice ${SECRET}`), undefined);
    assert.equal(masked(protocol, 'hello', 'down'), 'hello');
  }
});
