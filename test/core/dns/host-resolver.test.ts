/** The resolvers of the host, as its `resolv.conf` names them: in a network and a file system of its own, where port 53 and that file are ours. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const SCRIPT = `
  import * as codec from 'dns-packet';
  import { createSocket } from 'node:dgram';
  import { writeFileSync } from 'node:fs';
  import { NameServers } from '${ROOT}/core/dns/name-servers.ts';
  import { decodeQuery } from '${ROOT}/core/dns/message.ts';
  for (const address of ['127.0.0.1', '127.0.0.2']) {
    const socket = createSocket('udp4').bind(53, address).unref();
    socket.on('message', (message, peer) => {
      const { id, questions } = codec.decode(message);
      socket.send(codec.encode({ type: 'response', id, questions, answers: [{ type: 'TXT', name: questions[0].name, ttl: 1, data: [address] }] }), peer.port, peer.address);
    });
  }
  const servers = new NameServers();
  const query = decodeQuery(codec.encode({ type: 'query', id: 1, questions: [{ name: 'a.example', type: 'TXT' }] }));
  const ask = async () => (await servers.ask(query.question, query)).server.address;
  const first = await ask();
  writeFileSync('/etc/resolv.conf', 'nameserver 127.0.0.2\\n');
  console.log(first, await ask());
`;

test('they are asked, and others when the file names others', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resolv-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  const inside = 'ip link set lo up && mount --bind "$1/resolv.conf" /etc/resolv.conf && exec "$2" --input-type=module -e "$3"';
  const output = execFileSync('unshare', ['-rmn', 'sh', '-c', inside, 'sh', folder, process.execPath, SCRIPT], { encoding: 'utf8', timeout: 30_000, cwd: ROOT });
  assert.equal(output, '127.0.0.1 127.0.0.2\n');
});
