/** What a key log makes of HTTP/3 for a reader of another maker: tshark, over both connections, ngtcp2's to us and ours to caddy. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyLog } from '../../../core/capture.ts';
import { tshark } from '../../e2e/stage/tshark.ts';
import { Stage } from '../../stage/captured.ts';
import { Caddy } from '../../stage/caddy.ts';
import { listenHttp3 } from '../../stage/http3.ts';
import { originCA } from '../../stage/origin.ts';
import { run } from '../../stage/program.ts';
import { until } from '../../stage/wire.ts';

test('tshark reads HTTP/3 frames and their data on both sides', { timeout: 60_000, skip: process.getuid!() !== 0 && 'capturing on the host needs root' }, async () => {
  await using caddy = await Caddy.open({ identity: originCA.identity('api.test'), host: 'api.test' });
  const lines: string[] = [];
  await using stage = await Stage.open({ 'api.test': caddy }, { keyLog: new KeyLog([(line) => lines.push(line)]) });
  const port = await listenHttp3(stage);
  const path = (name: string): string => join(stage.directory, name);
  writeFileSync(path('hosts'), '127.0.0.1 api.test\n');
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-U', '--immediate-mode', '-w', path('udp.pcap'), 'udp', 'port', `${port}`, 'or', 'udp', 'port', `${caddy.port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    await once(tcpdump.stderr, 'data'); // it listens
    await run('unshare', ['-rm', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', path('hosts'), 'gtlsclient', '-q', '--exit-on-all-streams-close', '--timeout=10s', 'api.test', String(port), 'https://api.test/hello']);
    const record = await stage.record();
    assert.deepEqual([record.outcome, record.http_version, record.upstream?.http_version, record.response?.body], ['completed', '3', '3', 'hello from caddy']);
    writeFileSync(path('keys.log'), lines.join(''));
    const options = [...[port, caddy.port].flatMap((each) => ['-d', `udp.port==${each},quic`]), '-o', `tls.keylog_file:${path('keys.log')}`];
    const text = Buffer.from('hello from caddy').toString('hex');
    // Frames of type 0 are DATA (RFC 9114, section 7.2.1).
    const data = (): string[][] => tshark(path('udp.pcap'), 'http3.frame_type == 0', ['udp.srcport', 'http3.frame_payload'], options).filter(([, payloads]) => payloads?.split(',').includes(text));
    await until('tcpdump has written the answers', () => data().length === 2, 15_000);
    assert.deepEqual(data().map(([from]) => Number(from)), [caddy.port, port]);
    // HEADERS, of both directions; what is in them is QPACK, which it does not decode.
    assert.equal(tshark(path('udp.pcap'), 'http3.frame_type == 1', ['udp.srcport'], options).length, 4);
  } finally {
    tcpdump.kill();
  }
});
