import assert from 'node:assert/strict';
import type { Socket } from 'node:dgram';
import { describe, test } from 'node:test';
import type { Guest } from '../../plugins/engines/engine.ts';
import { ENGINES, NAMESPACE } from './engines.ts';
import { runJob } from './job.ts';

/** Speaks to each place from sockets of its own, and prints what comes back. */
const CLIENT = `
import socket
def say(family, place, *words):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect(place)
    for word in words:
        try:
            s.send(word)
            print(s.recv(100).decode(), flush=True)
        except OSError as error:
            print(type(error).__name__, flush=True)
say(socket.AF_INET, ('203.0.113.9', 443), b'served one', b'served two', b'served three')
say(socket.AF_INET6, ('2001:db8::9', 7777), b'served six')
say(socket.AF_INET, ('203.0.113.9', 9), b'refused one', b'refused two')
say(socket.AF_INET6, ('2001:db8::9', 9), b'refused six')
`;

for (const engine of ENGINES) {
  describe(`UDP of a guest of the engine ${engine.name}`, () => {
    test('is shown with its destination; served by a socket of its own, or refused at once', async (context) => {
      const shown: string[] = [];
      const opened: Socket[] = [];
      const serve = (guest: Guest): void => {
        const udp = guest.listeners!.udp;
        udp.listen((data, from, to) => {
          shown.push(`${data} to ${to.address} ${to.port}`);
          if (!data.toString().startsWith('served')) return udp.refuse(from, to);
          void (async () => {
            const socket = await udp.open(from, to);
            opened.push(socket);
            socket.on('message', (more) => socket.send(`${more} by its socket`));
            socket.send(`${data} by its socket`);
          })();
        });
      };
      // Who opens a socket closes it.
      context.after(() => opened.forEach((socket) => socket.close()));
      const { stdout, drops } = await runJob(engine, { command: 'python3', args: ['-c', CLIENT], prepared: serve });
      assert.deepEqual(stdout.trim().split('\n'), [
        'served one by its socket',
        'served two by its socket',
        'served three by its socket',
        'served six by its socket',
        'ConnectionRefusedError',
        'ConnectionRefusedError',
        'ConnectionRefusedError',
      ]);
      // What the sockets got did not come here, nor did what had been refused before.
      assert.deepEqual(shown, ['served one to 203.0.113.9 443', 'served six to 2001:db8::9 7777', 'refused one to 203.0.113.9 9', 'refused six to 2001:db8::9 9']);
      assert.deepEqual(drops, { udp: 3, other: 0 });
    });
  });
}

test('a flood of datagrams to as many places is counted to the last one, and shown to the host at a bounded rate', async () => {
  let shown = 0;
  const script = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor i in range(20000): s.sendto(b'x' * 100, ('203.0.113.%d' % (i % 250), 1000 + i))";
  const { drops } = await runJob(NAMESPACE, {
    command: 'python3',
    args: ['-c', script],
    prepared: (guest) => {
      guest.listeners!.udp.listen((_data, from, to) => {
        shown++;
        guest.listeners!.udp.refuse(from, to);
      });
    },
  });
  assert.deepEqual(drops, { udp: 20_000, other: 0 });
  assert.ok(shown > 0 && shown < 10_000, `${shown} were shown`);
});
