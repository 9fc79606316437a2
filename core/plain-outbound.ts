/** Outbound network for a guest without interception: TCP relayed byte for byte, through the same dialler and its guard. */
import type { Socket } from 'node:net';
import type { Destination } from './flow.ts';
import { connectionLimit } from './listener/connection-limit.ts';
import { GuestNetwork, type GuestListeners } from './listener/guest-network.ts';
import { watchDeparture } from './peek/departure.ts';
import { splice } from './relay/splice.ts';
import { CaptureHooks } from './hooks.ts';
import { FlowRecorder } from './recorder/flow-recorder.ts';
import type { Dialler } from './upstream/dialler.ts';

export class PlainOutbound {
  readonly #dialler: Dialler;
  readonly #network: GuestNetwork;
  readonly #sockets = new Set<Socket>();
  readonly #abort = new AbortController();
  readonly #maxConnections = connectionLimit();
  /** Connections of the guest. */
  #open = 0;

  constructor(listeners: GuestListeners, dialler: Dialler) {
    this.#dialler = dialler;
    this.#network = new GuestNetwork(listeners, { dialler, recorder: nothingRecorded(), nextId: () => '', warn: () => {}, accept: (socket, destination) => void this.#relay(socket, destination) });
  }

  close(): void {
    this.#network.close();
    this.#abort.abort();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #relay(socket: Socket, { name, address, port }: Destination): Promise<void> {
    if (this.#open >= this.#maxConnections) return void socket.on('error', () => {}).resetAndDestroy();
    const host = name ?? address ?? '';
    const gone = new AbortController();
    this.#open++;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#open--;
      this.#sockets.delete(socket);
    });
    const release = watchDeparture(socket, () => gone.abort());
    try {
      const { socket: upstream } = await this.#dialler.dial({ host, port, signal: AbortSignal.any([this.#abort.signal, gone.signal]), allowHalfOpen: true });
      release();
      this.#sockets.add(upstream);
      splice(socket, upstream, host, { up: 0, down: 0 }, () => this.#sockets.delete(upstream));
    } catch {
      release();
      // The guest sees what it would see of a server that is not there.
      socket.resetAndDestroy();
    }
  }
}

/** No hook is tapped: every name is allowed, and no flow has a record. */
function nothingRecorded(): FlowRecorder {
  const ignore = (): void => {};
  return new FlowRecorder('', new CaptureHooks(ignore), null, null, ignore);
}
