import { detectProtocol } from '../../../core/tcp/signatures.ts';
import { StreamWatch } from '../../../core/tcp/stream-watch.ts';
import { dialogueOf } from '../../../core/tcp/tls-dialogue.ts';
import type { FuzzTarget } from '../target.ts';

const texts = [
  'SSH-2.0-OpenSSH_9.2\r\n', '220 mail.test ESMTP\r\n250-mail.test\r\n250 STARTTLS\r\n220 go ahead\r\n', 'EHLO me\r\nSTARTTLS\r\n', '* OK ready\r\na1 OK begin\r\n', 'a1 STARTTLS\r\n',
  '+OK hello\r\n+OK begin\r\n', 'CAPA\r\nSTLS\r\n', '220 FTP\r\n234 go\r\n', 'AUTH TLS\r\n', '*1\r\n$4\r\nPING\r\n', '0032git-upload-pack /a.git\0host=a\0', 'AMQP\0\0\x09\x01',
  '<?xml version="1.0"?><stream:stream to="a"><starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>', '<stream:features/><proceed xmlns="a"/>', '\0\0\0\x08\x04\xd2\x16\x2f', '\0\0\0\x08\x04\xd2\x16\x30', 'N', 'S',
  '\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0', 'J\0\0\0\x0a8.0.35\0\x08\0\0\0abcdefgh\0', '\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037', '\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0',
  '\0\0\0\x1b\0\x12\0\x03\0\0\0\x01\0\x0bconsumer-01', '\x3a\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0', '\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc',
];
const PROTOCOLS = ['smtp', 'ftp', 'pop3', 'imap', 'nntp', 'xmpp', 'ldap', 'postgresql'];

const target: FuzzTarget = {
  name: 'raw protocols',
  inputs: texts.map((text) => Buffer.from(text, 'latin1')),
  parse(input, random) {
    const at = Math.floor(random() * (input.length + 1));
    const [one, other] = [input.subarray(0, at), input.subarray(at)];
    for (const first of ['client', 'server', null] as const) detectProtocol({ client: one, server: other, first });
    const watch = new StreamWatch(16);
    watch.up(one);
    watch.down(other);
    for (const protocol of PROTOCOLS) {
      const dialogue = dialogueOf(protocol)!;
      for (const chunk of [one, other, input]) {
        dialogue.up(chunk);
        dialogue.down(chunk);
      }
    }
  },
};
export default target;
