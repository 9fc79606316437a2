/** The helper's end of the IPC channel: answers requests, sends listeners, and ends the helper with the channel. */
import { createConnection } from 'node:net';
import type { PlaneDrops } from '../engine.ts';
import { GUEST } from './addresses.ts';
import type { HelperExit, HelperMessage, HelperOptions, HelperReplies, HelperRequest } from './message.ts';
import type { PlaneSockets } from './network.ts';
import type { UdpIntake } from './udp-intake.ts';
import type { Place } from './udp-packet.ts';

/** A host that is gone is noticed within this, whatever the channel says. */
const CONNECTION_CHECK_MS = 250;

export interface HelperService<Start> {
  start(start: Start): Promise<HelperReplies['start']>;
  run(): Promise<HelperReplies['run']>;
  signal(name: NodeJS.Signals): Promise<void>;
  /** Where the helper holds the guest's terminal. */
  resize?(columns: number, rows: number): Promise<void>;
  drops(): Promise<PlaneDrops>;
  /** Ends the guest. The helper exits after it. */
  close(): Promise<void>;
}

export class HelperPort<Start> {
  #udp: UdpIntake | null = null;

  /** Serves until the host disconnects, also by dying; then closes the service and exits. */
  serve(service: HelperService<Start>): void {
    process.on('message', (request: HelperRequest<Start>) => {
      if (request.request === 'connect') return this.#connect(request.id, request.port);
      if (request.request === 'open-udp') return void this.#openUdp(request.id, request.from, request.to);
      this.#answer(service, request).then(
        (value) => this.#send({ message: 'reply', id: request.id, value }),
        (error: unknown) => this.#send({ message: 'failure', id: request.id, reason: reasonOf(error) }),
      );
    });
    let ending = false;
    const end = (): void => {
      if (ending) return;
      ending = true;
      service.close().finally(() => process.exit(0));
    };
    process.on('disconnect', end);
    // Node never emits 'disconnect' where the host goes with a listener in its hands that it has not acknowledged.
    setInterval(() => process.connected || end(), CONNECTION_CHECK_MS);
    if (!process.connected) end();
  }

  /** The helper's main thread lives in the plane, and so does what it opens. */
  #connect(id: number, port: number): void {
    const socket = createConnection({ host: GUEST.v4, port, allowHalfOpen: true }).pause(); // what it says first is the host's to read
    const fail = (error: Error): void => this.#send({ message: 'failure', id, reason: error.message, code: (error as NodeJS.ErrnoException).code });
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail).on('error', () => undefined);
      process.send?.({ message: 'connection', id } satisfies HelperMessage, socket, {}, () => socket.destroy());
    });
  }

  async #openUdp(id: number, from: Place, to: Place): Promise<void> {
    try {
      if (this.#udp === null) throw new Error('the guest has no network');
      const socket = await this.#udp.open(from, to);
      process.send?.({ message: 'datagrams', id } satisfies HelperMessage, socket, {}, () => socket.close());
    } catch (error) {
      this.#send({ message: 'failure', id, reason: reasonOf(error) });
    }
  }

  async #answer(service: HelperService<Start>, request: Exclude<HelperRequest<Start>, { request: 'connect' | 'open-udp' }>): Promise<unknown> {
    switch (request.request) {
      case 'start':
        return service.start(request.start);
      case 'run':
        return service.run();
      case 'signal':
        await service.signal(request.signal);
        return null;
      case 'resize':
        await service.resize?.(request.columns, request.rows);
        return null;
      case 'drops':
        return service.drops();
      case 'refuse-udp':
        this.#udp?.refuse(request.from, request.to);
        return null;
    }
  }

  /** Passes the listeners to the host and closes the helper's own copies: only the host accepts. */
  sendListeners(sockets: PlaneSockets): void {
    const all = [
      ...sockets.tcp.map((socket) => ({ kind: 'tcp' as const, socket })),
      ...sockets.dns.map((socket) => ({ kind: 'dns' as const, socket })),
    ];
    all.forEach(({ kind, socket }, index) => {
      const message: HelperMessage = { message: 'listener', kind, last: index === all.length - 1 };
      process.send?.(message, socket, {}, () => socket.close());
    });
    this.#udp = sockets.udp;
    this.#udp?.start(({ from, to, data }) => this.#send({ message: 'datagram', from, to, data: data.toString('base64') }));
  }

  sendExit(exit: HelperExit): void {
    this.#send({ message: 'exited', exit });
  }

  #send(message: HelperMessage): void {
    if (process.connected) process.send?.(message);
  }
}

/** The options that the host put on the command line. */
export function helperOptions(): HelperOptions {
  return JSON.parse(process.argv[2] ?? '') as HelperOptions;
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
