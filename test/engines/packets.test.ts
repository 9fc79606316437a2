/** The packets between a guest and its plane, as tcpdump writes them, read by tshark. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import type { GuestPackets } from '../../plugins/engines/engine.ts';
import { ENGINES, NAMESPACE } from './engines.ts';
import { shell } from './job.ts';

/** The last are sent as the command ends. */
const SCRIPT = `
cat < /dev/tcp/203.0.113.7/80
cat < /dev/tcp/2001:db8::7/8443
python3 -c 'import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) # that nobody answers does not end it
for number in range(1, 101): sender.sendto(b"datagram %d\\n" % number, ("203.0.113.9", 7))'`;

for (const engine of ENGINES) {
  describe(engine.name, () => {
    test('writes the packets of a guest, from its first to its last', async (context) => {
      const folder = mkdtempSync(join(tmpdir(), 'packets-'));
      context.after(() => rmSync(folder, { recursive: true }));
      let packets: GuestPackets | null = null;
      let captured: Promise<Buffer> = Promise.reject(new Error('no guest'));
      captured.catch(() => undefined);
      const began = Date.now();
      const { exit, stdout } = await shell(engine, SCRIPT, {
        packets: true,
        prepared: (guest) => {
          packets = guest.packets;
          captured = buffer(guest.packets!.stream);
        },
      });
      assert.deepEqual([exit.code, stdout], [0, '203.0.113.7 80\n2001:db8::7 8443\n']);
      assert.deepEqual(await packets!.ended, { dropped: 0, failure: null });
      const file = join(folder, 'guest.pcap');
      writeFileSync(file, await captured);
      const fields = (filter: string, ...names: string[]): string[] => execFileSync('tshark', ['-r', file, '-Y', filter, '-T', 'fields', ...names.flatMap((name) => ['-e', name])], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trimEnd().split('\n');
      assert.deepEqual(fields('tcp.flags.syn == 1 && tcp.flags.ack == 0', 'ip.dst', 'ipv6.dst', 'tcp.dstport'), ['203.0.113.7\t\t80', '\t2001:db8::7\t8443']);
      assert.deepEqual(fields('tcp.len > 0', 'ip.src', 'ipv6.src', 'tcp.srcport'), ['203.0.113.7\t\t80', '\t2001:db8::7\t8443']);
      const sent = fields('udp.dstport == 7 && !icmp', 'frame.time_epoch', 'udp.payload').map((line) => line.split('\t') as [string, string]);
      assert.deepEqual(sent.map(([, data]) => Buffer.from(data, 'hex').toString()), Array.from({ length: 100 }, (_, index) => `datagram ${index + 1}\n`));
      for (const [time] of sent) assert.ok(Number(time) * 1000 > began && Number(time) * 1000 < Date.now(), time);
    });
  });
}

test('a guest whose packets nobody asks for has none', async () => {
  let packets: GuestPackets | null | undefined;
  await shell(NAMESPACE, 'true', { prepared: (guest) => (packets = guest.packets) });
  assert.equal(packets, null);
});
