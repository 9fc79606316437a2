import { maskCredentials } from '../../../plugins/redact/raw-credentials.ts';
import type { FuzzTarget } from '../target.ts';

const PROTOCOLS = [null, 'smtp', 'imap', 'rsync', 'redis', 'postgresql', 'mysql', 'ldap', 'mqtt', 'telnet'];

const target: FuzzTarget = {
  name: 'raw credentials',
  inputs: [
    'EHLO x\r\nAUTH LOGIN\r\nYWxpY2U=\r\naHVudGVyMg==\r\nMAIL FROM:<a@b>\r\n',
    'a1 LOGIN {5}\r\nalice {7+}\r\nhunter2\r\na2 AUTHENTICATE PLAIN\r\nAGEAYg==\r\na3 NOOP\r\n',
    '*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n*6\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$4\r\nsave\r\n$0\r\n\r\n$11\r\nrequirepass\r\n$1\r\na\r\nAUTH x\r\n',
    "\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x13\0\x03\0\0user\0alice\0\0p\0\0\0\x0chunter2\0Q\0\0\0\x1aALTER USER a PASSWORD 'b'\0",
    '\x08\0\0\x01\x85\xa6\xff\x01 ali\x09\0\0\0\x03select 1\x03\0\0\0\x11ab',
    '0\x1f\x02\x01\x01`\x1a\x02\x01\x03\x04\x08cn=alice\x80\x07hunter2 4 0\x0a\x02\x01\x02f\x05\x04\x03abc',
    '\x10\x1d\0\x04MQTT\x04\xc2\0\x3c\0\x01d\0\x05alice\0\x07hunter20\x04\0\x01thi',
  ].map((text) => Buffer.from(text, 'latin1')),
  parse(input) {
    for (const protocol of PROTOCOLS) for (const direction of ['up', 'down'] as const) maskCredentials(protocol, direction, input);
  },
};
export default target;
