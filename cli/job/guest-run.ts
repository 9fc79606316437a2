/** One guest of a job, from its network to its end. A job has one after the other where its command is restarted. */
import { Dialler } from '../../core/capture.ts';
import { PlainOutbound } from '../../core/plain-outbound.ts';
import type { Guest, GuestExit, PlaneDrops } from '../../plugins/engines/engine.ts';
import type { CapturedJob } from './captured-job.ts';
import type { PortListeners } from './port-listeners.ts';
import type { SignalForwarder } from './signal-forwarder.ts';
import type { StatusLine } from './status-line.ts';
import { TerminalSession } from './terminal-session.ts';
import type { Ending, TimeLimit } from './time-limit.ts';

/** What outlives a guest. */
export interface JobWiring {
  /** Null: the guest has plain outbound network, or none. */
  readonly job: CapturedJob | null;
  readonly hosts: Readonly<Record<string, string>>;
  readonly dnsServers: readonly string[] | null;
  readonly ports: PortListeners;
  readonly signals: SignalForwarder;
  readonly limit: TimeLimit;
  readonly status: StatusLine | null;
}

export class GuestRun implements Ending {
  readonly guest: Guest;
  readonly #wiring: JobWiring;
  #outbound: PlainOutbound | null = null;
  #captured: { close(): void } | null = null;
  #session: TerminalSession | null = null;
  #packets: Promise<void> | null = null;
  #drops: PlaneDrops | null = null;
  #timedOut = false;

  constructor(guest: Guest, wiring: JobWiring) {
    this.guest = guest;
    this.#wiring = wiring;
  }

  /** Packets that were dropped; null where the guest's end left nobody to ask. */
  get drops(): PlaneDrops | null {
    return this.#drops;
  }

  /** The time limit had passed when the command ended. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** Resolves when the command has ended. @param broken rejects where it is to be given up. */
  async run(broken: Promise<never>): Promise<GuestExit> {
    const { guest } = this;
    const { job, hosts, dnsServers, ports, signals, limit, status } = this.#wiring;
    if (guest.listeners) {
      if (job) this.#captured = job.capture.captureGuest(guest.listeners);
      else this.#outbound = new PlainOutbound(guest.listeners, new Dialler({ hosts, dnsServers }));
    }
    if (guest.terminal) this.#session = new TerminalSession(guest.terminal, status);
    if (guest.packets) this.#packets = job?.files.packets?.follow(guest.packets) ?? null;
    signals.target = this;
    await guest.run();
    ports.guest = guest;
    limit.start();
    limit.target = this;
    const exit = await Promise.race([guest.exited, broken]);
    this.#timedOut = limit.expired;
    limit.target = null;
    this.#drops = await guest.drops().catch(() => null);
    return exit;
  }

  signal(name: NodeJS.Signals): void {
    this.guest.signal(name);
  }

  kill(): void {
    void this.guest.close();
  }

  /** The guest goes first, so that its last requests end before their capture does. */
  async close(): Promise<void> {
    const { ports, signals, limit } = this.#wiring;
    limit.target = null;
    ports.guest = null;
    signals.target = null;
    await this.#session?.close();
    this.#session = null;
    await this.guest.close();
    await this.#packets;
    this.#outbound?.close();
  }

  /** Ends what is left of the capture of this guest, for there will be another. The last one's ends with the capture itself. */
  forget(): void {
    this.#captured?.close();
  }
}
