/** A guest's network: everything of it ends in listeners of ours, and its own listeners can be reached by us alone. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { ENGINES } from './engines.ts';
import { runJob, shell, until } from './job.ts';
import type { JobResult } from './job.ts';
import { StepFolder, prints } from './steps.ts';
import type { Step } from './steps.ts';

const DESTINATIONS = [['1.2.3.4', '80'], ['10.0.0.5', '1'], ['10.0.2.2', '22'], ['192.0.0.1', '15001'], ['198.18.0.9', '65535'], ['169.254.169.254', '80'], ['2606:4700::1111', '443'], ['fd00::1', '7'], ['fec0::2', '53']] as const;
/** Each asks from a connected socket, which takes an answer from the address that it has asked and from no other; all at once. */
const ASK = `
import select, socket, sys, time
asked = [(host, int(port)) for host, port in (pair.split("#") for pair in sys.argv[1:])]
sockets = []
for host, port in asked:
  s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
  s.connect((host, port))
  s.send(f"from {host}".encode())
  sockets.append(s)
answers = {}
end = time.monotonic() + 10
while (left := end - time.monotonic()) > 0:
  for s in select.select([s for s in sockets if s not in answers], [], [], left)[0]:
    try: answers[s] = s.recv(99).decode()
    except ConnectionRefusedError: answers[s] = "refused"
    if len(answers) == len(asked): end = time.monotonic() + 0.7
for (host, port), s in zip(asked, sockets): print(host, port, answers.get(s, "silence"))`;
const NAMES = ['192.0.0.1', '8.8.8.8', '10.0.2.3', '2001:4860:4860::8888'];
const OTHERS = ['8.8.8.8#54', '203.0.113.1#123', '2001:4860:4860::8888#443'];

const STEPS: readonly Step[] = [
  {
    // As the first step: there is no moment at which the network is not up.
    name: 'the addresses of a guest are all valid when its command starts, and none is link-local',
    script: 'ip -6 addr show; ip -br link show eth0; sleep 2.5; ip -6 addr show',
    check: ({ stdout }) => {
      assert.match(stdout, /fd6d:656e:7475::2/);
      // Its state may be told up to a second later; that the layer below is up is what packets need.
      assert.match(stdout, /eth0\S* +\S+ .*<[^>]*\bUP\b[^>]*\bLOWER_UP\b/);
      assert.doesNotMatch(stdout, /tentative|fe80:/);
    },
  },
  prints(
    'every TCP port of every address ends in the listeners, over IPv4 and IPv6, with the original destination',
    DESTINATIONS.map(([host, port]) => `exec 3<>/dev/tcp/${host}/${port}; cat <&3`).join('\n'),
    DESTINATIONS.map((pair) => `${pair.join(' ')}\n`).join(''),
  ),
  prints(
    'UDP 53 of any address is answered from that address, other UDP is refused',
    `python3 -c '${ASK}' ${[...NAMES.map((host) => `${host}#53`), ...OTHERS].join(' ')}`,
    [...NAMES.map((host) => `${host} 53 FROM ${host.toUpperCase()}\n`), ...OTHERS.map((pair) => `${pair.replace('#', ' ')} refused\n`)].join(''),
  ),
  prints('DHCP, and whatever a virtual network offers by itself, is not there', 'ip route show | grep -vc 192.0.0 ; ip -4 -br address show eth0 | grep -c 10.0.2 || true', '0\n0\n'),
  prints('both directions carry 8 MiB and end one by one', `python3 -c '
import socket, threading
to = socket.create_connection(("1.2.3.4", 9999))
def send():
  to.sendall(b"0123456789abcdef" * 524288)
  to.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
came = b"".join(iter(lambda: to.recv(1 << 20), b""))
print(len(came), came == b"0123456789abcdef" * 524288)'`, '8388608 True\n'),
  prints('200 connections at once', `python3 -c '
import socket
open_ = [socket.create_connection(("1.2.3.4", port)) for port in range(1, 201)]
print(sum(b"".join(iter(lambda: s.recv(99), b"")) == b"1.2.3.4 %d\\n" % port for port, s in enumerate(open_, 1)))'`, '200\n'),
  prints('its own loopback is its own', `python3 -c '
import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
  server = socket.create_server((address, 8081), family=family)
  client = socket.create_connection((address, 8081))
  peer, _ = server.accept()
  client.sendall(b"self")
  print(peer.recv(9).decode())'; exec 3<>/dev/tcp/127.0.0.1/15001 || echo refused`, 'self\nself\nrefused\n'),
];

for (const engine of ENGINES) {
  describe(engine.name, () => {
    const steps = new StepFolder(STEPS);
    let result: JobResult;
    before(async () => {
      result = await runJob(engine, {
        command: steps.command,
        args: steps.args,
        mounts: steps.mounts,
        limitMs: 40_000 * engine.patience,
        serve: (socket) => {
          if (socket.localPort !== 9999) return socket.end(`${socket.localAddress} ${socket.localPort}\n`);
          return socket.pipe(socket);
        },
      });
    });
    after(() => steps.close());

    for (const { name, check } of STEPS) test(name, () => check(steps.result(name)));

    test('what was dropped is counted, each packet once', () => {
      assert.deepEqual(result.drops, { udp: 3, other: 0 });
    });

    test('a port of the guest answers the host, from the address of the plane; one without a listener refuses', async () => {
      const server = "import socket\ns = socket.create_server(('', 8080))\nprint('ready', flush=True)\nc, peer = s.accept()\ntext = c.recv(99)\nc.shutdown(socket.SHUT_WR)\nwhile piece := c.recv(99): text += piece\nprint(peer[0], text.decode())";
      const { stdout } = await runJob(engine, {
        command: 'python3',
        args: ['-c', server],
        running: async (guest, output) => {
          await until('the guest listens', () => output() === 'ready\n', 10_000 * engine.patience);
          await assert.rejects(guest.connect(8079), { code: 'ECONNREFUSED' });
          const socket = await guest.connect(8080);
          socket.write('from ');
          socket.resume();
          await once(socket, 'end');
          socket.end('the host');
          await once(socket, 'close');
        },
      });
      assert.equal(stdout, 'ready\n192.0.0.1 from the host\n');
    });

    test('a guest without a network has its loopback and nothing else', async () => {
      const script = 'ls /sys/class/net 2>/dev/null || ip -br link | cut -d" " -f1; exec 3<>/dev/tcp/1.2.3.4/80 || echo refused; exec 3<>/dev/tcp/10.0.2.2/80 || echo refused; exec 3<>/dev/tcp/fd00::1/80 || echo refused';
      const { stdout, drops } = await shell(engine, script, { network: 'none' });
      assert.equal(stdout, 'lo\nrefused\nrefused\nrefused\n');
      assert.deepEqual(drops, { udp: 0, other: 0 });
    });
  });
}
