import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detectProtocol } from '../../../core/tcp/signatures.ts';

const told = (first: 'client' | 'server', clientSays: string, serverSays = ''): string | null =>
  detectProtocol({ first, client: Buffer.from(clientSays, 'latin1'), server: Buffer.from(serverSays, 'latin1') });

test('a protocol is told by the first bytes of either side', () => {
  for (const [protocol, first, clientSays, serverSays] of [
    ['ssh', 'server', '', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['ssh', 'client', 'SSH-2.0-libssh\r\n', ''],
    ['smtp', 'server', '', '220 mail.test ESMTP Postfix\r\n'],
    ['smtp', 'server', 'EHLO me\r\n', '220 welcome\r\n'],
    ['ftp', 'server', '', '220 (vsFTPd 3.0.3)\r\n'],
    ['ftp', 'server', 'AUTH TLS\r\n', '220 welcome\r\n'],
    ['imap', 'server', '', '* OK [CAPABILITY IMAP4rev1] ready\r\n'],
    ['pop3', 'server', '', '+OK ready\r\n'],
    ['nntp', 'server', '', '200 news.test InterNetNews\r\n'],
    ['mysql', 'server', '', 'J\0\0\0\x0a8.0.35\0\x08\0\0\0'],
    ['mysql', 'server', '', '\x6d\0\0\0\x0a5.5.5-10.11.6-MariaDB\0'],
    ['rfb', 'server', '', 'RFB 003.008\n'],
    ['postgresql', 'client', '\0\0\0\x08\x04\xd2\x16\x2f', ''],
    ['postgresql', 'client', '\0\0\0\x20\0\x03\0\0user\0a\0database\0b\0\0', ''],
    ['redis', 'client', '*1\r\n$4\r\nPING\r\n', ''],
    ['git', 'client', '0032git-upload-pack /a.git\0host=a\0', ''],
    ['mongodb', 'client', '\x3a\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0', ''],
    ['amqp', 'client', 'AMQP\0\0\x09\x01', ''],
    ['mqtt', 'client', '\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc', ''],
    ['ldap', 'client', '\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0', ''],
    ['xmpp', 'client', '<?xml version="1.0"?><stream:stream to="a">', ''],
    ['kafka', 'client', '\0\0\0\x1b\0\x12\0\x03\0\0\0\x01\0\x0bconsumer-01', ''],
    ['memcached', 'client', 'get key\r\n', ''],
    ['irc', 'client', 'NICK me\r\nUSER me 0 * :me\r\n', ''],
  ] as const) {
    assert.equal(told(first, clientSays, serverSays), protocol, JSON.stringify([clientSays, serverSays]));
  }
});

test('what is not known stays unknown, and who spoke first counts', () => {
  for (const [first, clientSays, serverSays] of [
    ['client', '', ''],
    ['client', 'hello', ''],
    ['client', '\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10', ''],
    ['client', '\0\0\0\x08\0\0\0\0', ''],
    ['client', 'x', '+OK\r\n'],
    ['client', 'x', '220 ESMTP\r\n'],
    ['server', '*1\r\n$4\r\nPING\r\n', 'hello'],
    ['server', '', 'J\0\0\0\x0aMySQL'],
  ] as const) {
    assert.equal(told(first, clientSays, serverSays), null, JSON.stringify([clientSays, serverSays]));
  }
});
