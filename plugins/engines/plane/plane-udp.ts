/** The host's side of a guest's UDP. */
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { PlaneUdp, UdpPlace } from '../engine.ts';

/** What it needs of the helper process. */
export interface UdpHelper {
  request(name: 'open-udp', extra: { readonly from: UdpPlace; readonly to: UdpPlace }): Promise<Socket>;
  request(name: 'refuse-udp', extra: { readonly from: UdpPlace; readonly to: UdpPlace }): Promise<null>;
}

export class HelperUdp implements PlaneUdp {
  readonly #helper: UdpHelper;
  #onDatagram: Parameters<PlaneUdp['listen']>[0] = null;

  constructor(helper: UdpHelper) {
    this.#helper = helper;
  }

  listen(onDatagram: Parameters<PlaneUdp['listen']>[0]): void {
    this.#onDatagram = onDatagram;
  }

  async open(from: UdpPlace, to: UdpPlace): Promise<Socket> {
    const socket = await this.#helper.request('open-udp', { from, to });
    try {
      teachFamily(socket);
      socket.connect(from.port, from.address);
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  refuse(from: UdpPlace, to: UdpPlace): void {
    this.#helper.request('refuse-udp', { from, to }).catch(() => undefined); // a guest that is gone needs no answer
  }

  receive(data: string, from: UdpPlace, to: UdpPlace): void {
    if (this.#onDatagram) this.#onDatagram(Buffer.from(data, 'base64'), from, to);
    else this.refuse(from, to);
  }
}

interface Handle {
  connect(...args: unknown[]): number;
  connect6(...args: unknown[]): number;
}

/** Node gives a socket that came from another process the `connect` of IPv4, whatever its family. */
function teachFamily(socket: Socket): void {
  if (socket.address().family !== 'IPv6') return;
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  const handle = symbol && (socket as unknown as Record<symbol, { handle?: Handle }>)[symbol]?.handle;
  if (handle) handle.connect = handle.connect6.bind(handle);
}
