/** Listeners whose sockets carry their original destination, as in the network of a guest: loopback has addresses enough to try them. */
import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Dialler } from '../../../core/capture.ts';
import type { GuestUdp } from '../../../core/listener/guest-udp.ts';
import { TransparentListener } from '../../../core/listener/transparent.ts';
import { PlainOutbound } from '../../../core/plain-outbound.ts';
import type { Destination } from '../../../core/index.ts';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { Wire, until } from '../../stage/wire.ts';

/** Listens on every address of loopback, as a guest's listener does on every address there is. */
class Everywhere implements AsyncDisposable {
  readonly tcp: Server;
  readonly dns: UdpSocket;
  readonly #sockets = new Set<Socket>();

  private constructor(tcp: Server, dns: UdpSocket) {
    this.tcp = tcp;
    this.dns = dns;
  }

  static async open(): Promise<Everywhere> {
    const [tcp, dns] = [createServer(), createSocket('udp4')];
    tcp.listen(0, '0.0.0.0');
    dns.bind(0, '127.0.0.1');
    await Promise.all([once(tcp, 'listening'), once(dns, 'listening')]);
    return new Everywhere(tcp, dns);
  }

  get port(): number {
    return (this.tcp.address() as AddressInfo).port;
  }

  connect(address: string): Socket {
    const socket = connect({ host: address, port: this.port, allowHalfOpen: true });
    socket.on('error', () => {});
    this.#sockets.add(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.dns.close();
    this.tcp.close();
    await once(this.tcp, 'close');
  }
}

test('a connection tells where it was to go, and by which name', async () => {
  await using everywhere = await Everywhere.open();
  const seen: Destination[] = [];
  const listener = new TransparentListener(everywhere.tcp, { nameOf: (address) => (address === '127.9.9.9' ? 'api.test' : null) }, (socket, destination) => {
    seen.push(destination);
    socket.destroy();
  });
  for (const address of ['127.9.9.9', '127.8.8.8']) await new Wire(everywhere.connect(address)).takeAll();
  assert.deepEqual(seen, [
    { name: 'api.test', address: '127.9.9.9', port: everywhere.port },
    { name: null, address: '127.8.8.8', port: everywhere.port },
  ]);
  listener.close();
  await new Wire(everywhere.connect('127.8.8.8')).takeAll();
  assert.equal(seen.length, 2);
});

describe('a captured guest', () => {
  test('has its connections to bare addresses recorded, in the clear and over TLS', async () => {
    await using everywhere = await Everywhere.open();
    await using plain = await Origin.http((_request, response) => response.end('plain'));
    await using secure = await Origin.https((_request, response) => response.end('secure'));
    await using stage = await Stage.open({ '127.7.7.7': plain, '127.6.6.6': secure });
    stage.capture.captureGuest({ tcp: [everywhere.tcp], dns: [everywhere.dns] });
    const client = new Wire(everywhere.connect('127.7.7.7'));
    client.write('GET / HTTP/1.1\r\nHost: odd.test\r\n\r\n');
    assert.equal((await client.takeResponse()).body, 'plain');
    const tls = new Wire(connectTls({ socket: everywhere.connect('127.6.6.6'), servername: 'api.test', ca: stage.capture.authority.certificate, ALPNProtocols: ['http/1.1'] }));
    tls.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
    assert.match(await tls.takeAll(), /secure/);
    const [first, second] = await stage.recorded(2);
    assert.deepEqual(first?.server, { name: null, address: '127.7.7.7', port: everywhere.port });
    assert.equal(first?.request?.url, 'http://odd.test/');
    assert.deepEqual([second?.server.address, second?.tls_sni], ['127.6.6.6', 'api.test']);
    assert.equal(second?.upstream?.port, secure.port);
  });

  test('cannot reach what core dials for nobody', async () => {
    await using everywhere = await Everywhere.open();
    await using stage = await Stage.open({});
    stage.capture.captureGuest({ tcp: [everywhere.tcp], dns: [everywhere.dns] });
    const client = new Wire(everywhere.connect('127.7.7.7'));
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const { head, body } = await client.takeResponse();
    assert.match(head, /^HTTP\/1.1 403 /);
    assert.equal(JSON.parse(body).error, 'address_denied');
    const record = await stage.record();
    assert.deepEqual([record.outcome, record.error?.code, record.violation?.by], ['denied', 'address_denied', 'core']);
  });

  test('has its names judged and answered', async () => {
    await using everywhere = await Everywhere.open();
    const judged: string[] = [];
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:1' }, {
      tap: (hooks) => hooks.onConnect.tap('test', (connection) => {
        judged.push(`${connection.protocol} ${connection.destination.name}`);
      }),
    });
    stage.capture.captureGuest({ tcp: [everywhere.tcp], dns: [everywhere.dns] });
    const client = createSocket('udp4');
    const question = Buffer.from('abcd01000001000000000000036170690474657374000001' + '0001', 'hex');
    client.send(question, (everywhere.dns.address() as AddressInfo).port, '127.0.0.1');
    const [answer] = (await once(client, 'message')) as [Buffer];
    client.close();
    assert.deepEqual(judged, ['dns api.test']);
    assert.equal(answer.readUInt16BE(6), 1, 'one answer');
    assert.match(answer.subarray(-4).join('.'), /^198\.1[89]\./);
  });
});

describe('a datagram that is refused', () => {
  for (const [keep, first] of [
    ['whole', { data: 'a secret', data_encoding: 'utf8', data_truncated: false, data_file: null }],
    ['none', { data: null, data_encoding: null, data_truncated: true, data_file: null }],
  ] as const) {
    test(`shows ${keep === 'whole' ? 'its beginning' : 'nothing where no bodies are kept'}`, async () => {
      await using stage = await Stage.open({}, { bodies: { keep } });
      let refused = 0;
      let send: (data: Buffer) => void = () => assert.fail('nobody listens');
      const to = { address: '198.18.0.9', port: 9000 };
      const udp: GuestUdp = {
        listen: (onDatagram) => (send = (data) => onDatagram!(data, { address: '192.0.0.2', port: 4000 }, to)),
        open: () => assert.fail('it is no QUIC'),
        refuse: () => void refused++,
      };
      stage.capture.captureGuest({ tcp: [], dns: [], udp });
      send(Buffer.from('a secret'));
      const { kind, udp: part, bytes } = await stage.record();
      assert.deepEqual([kind, part, bytes, refused], ['udp', { packets: 1, first }, { up: 8, down: 0 }, 1]);
    });
  }
});

describe('plain outbound network', () => {
  test('relays bytes both ways, half by half', async () => {
    await using everywhere = await Everywhere.open();
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    const outbound = new PlainOutbound({ tcp: [everywhere.tcp], dns: [everywhere.dns] }, new Dialler({ hosts: { '127.7.7.7': `127.0.0.1:${origin.port}` } }));
    const client = new Wire(everywhere.connect('127.7.7.7'));
    client.write('\0 any protocol');
    const upstream = await arrivals.next();
    await upstream.take('protocol');
    client.socket.end();
    await until('the end of the half', () => upstream.ended);
    upstream.write('and an answer');
    upstream.socket.end();
    assert.equal(await client.takeAll(), 'and an answer');
    outbound.close();
  });

  test('resets what cannot be reached, and what is not to be', async () => {
    await using everywhere = await Everywhere.open();
    const outbound = new PlainOutbound({ tcp: [everywhere.tcp], dns: [everywhere.dns] }, new Dialler({ hosts: { '127.7.7.7': '127.0.0.1:1' } }));
    for (const address of ['127.7.7.7', '127.8.8.8']) {
      const client = new Wire(everywhere.connect(address));
      await until('the reset', () => client.closed);
      assert.equal((client.error as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
    }
    outbound.close();
  });

  test('ends with all its connections', async () => {
    await using everywhere = await Everywhere.open();
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    const outbound = new PlainOutbound({ tcp: [everywhere.tcp], dns: [everywhere.dns] }, new Dialler({ hosts: { '127.7.7.7': `127.0.0.1:${origin.port}` } }));
    const client = new Wire(everywhere.connect('127.7.7.7'));
    client.write('hello');
    const upstream = await arrivals.next();
    await upstream.take('hello');
    outbound.close();
    await until('both ends', () => client.ended && upstream.ended);
  });

  test('gives up dialling for a client that has left', async () => {
    await using everywhere = await Everywhere.open();
    let given: AbortSignal | undefined;
    const dialler = new Dialler();
    dialler.dial = ({ signal }) => new Promise((_resolve, reject) => {
      given = signal;
      signal!.addEventListener('abort', () => reject(new Error('given up')));
    });
    const outbound = new PlainOutbound({ tcp: [everywhere.tcp], dns: [everywhere.dns] }, dialler);
    const client = everywhere.connect('127.7.7.7');
    await until('the dial', () => given !== undefined);
    client.destroy();
    await until('the end of it', () => given!.aborted);
    outbound.close();
  });
});
