import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialogueOf } from '../../../core/tcp/tls-dialogue.ts';

type Said = readonly (readonly ['up' | 'down', string])[];

const LDAP_ASKS = '\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037';

/** How often agreement is heard, with what is said in pieces of `size` bytes. */
function agreements(protocol: string, said: Said, size = Infinity): number {
  const dialogue = dialogueOf(protocol)!;
  let heard = 0;
  for (const [way, text] of said) {
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, Math.min(at + size, bytes.length));
      if (way === 'up') dialogue.up(chunk);
      else if (dialogue.down(chunk)) heard++;
    }
  }
  return heard;
}

const AGREED: Readonly<Record<string, Said>> = {
  smtp: [['down', '220 mail.test ESMTP\r\n'], ['up', 'EHLO a\r\n'], ['down', '250-a\r\n250 STARTTLS\r\n'], ['up', 'STARTTLS\r\n'], ['down', '220 go\r\n']],
  ftp: [['down', '220 FTP\r\n'], ['up', 'AUTH TLS\r\n'], ['down', '234 go\r\n']],
  pop3: [['down', '+OK ready\r\n'], ['up', 'STLS\r\n'], ['down', '+OK go\r\n']],
  nntp: [['down', '200 news\r\n'], ['up', 'STARTTLS\r\n'], ['down', '382 go\r\n']],
  imap: [['down', '* OK ready\r\n'], ['up', 'a.1 STARTTLS\r\n'], ['down', '* CAPABILITY IMAP4rev1\r\n'], ['down', 'a.1 OK go\r\n']],
  xmpp: [['up', '<stream:stream to="a">'], ['down', '<stream:features><starttls xmlns="x"/></stream:features>'], ['up', '<starttls xmlns="x"/>'], ['down', '<proceed xmlns="x"/>']],
  postgresql: [['up', '\0\0\0\x08\x04\xd2\x16\x30'], ['down', 'N'], ['up', '\0\0\0\x08\x04\xd2\x16\x2f'], ['down', 'S']],
};

for (const [protocol, said] of Object.entries(AGREED)) {
  test(`agreement in ${protocol} is heard once, however it is parted`, () => {
    for (const size of [Infinity, 1, 3]) assert.equal(agreements(protocol, said, size), 1, `in pieces of ${size}`);
  });
}

test('agreement in ldap is heard in the answer to StartTLS', () => {
  assert.equal(agreements('ldap', [['up', LDAP_ASKS], ['down', '\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0']]), 1);
  assert.equal(agreements('ldap', [['up', LDAP_ASKS], ['down', '\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0']]), 0);
});

test('a refusal, another command, or agreement to nothing is none', () => {
  for (const [protocol, said] of [
    ['smtp', [['down', '220 ESMTP\r\n'], ['up', 'STARTTLS\r\n'], ['down', '454 not now\r\n'], ['up', 'NOOP\r\n'], ['down', '220 what\r\n']]],
    ['smtp', [['up', 'STARTTLSX\r\n'], ['down', '220 what\r\n']]],
    ['imap', [['up', 'a1 STARTTLS\r\n'], ['down', 'a2 OK what\r\n']]],
    ['postgresql', [['up', '\0\0\0\x08\x04\xd2\x16\x30'], ['down', 'G'], ['up', '\0\0\0\x08\x04\xd2\x16\x2f'], ['down', 'S']]],
    ['postgresql', [['up', '\0\0\0\x08\x04\xd2\x16\x2f'], ['down', 'SR']]],
    ['postgresql', [['up', '\0\0\0\x20\0\x03\0\0user\0a\0'], ['down', 'S']]],
  ] as const) {
    assert.equal(agreements(protocol, said), 0, JSON.stringify(said));
  }
  assert.equal(dialogueOf('redis'), null);
});

test('a dialogue ends after 64 KiB', () => {
  const dialogue = dialogueOf('smtp')!;
  dialogue.up(Buffer.alloc(65_537, 'x'));
  assert.equal(dialogue.isOver, true);
});
