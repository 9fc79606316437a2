/** The helper process of the namespace engine: builds the plane, lays the guest's root, starts bubblewrap in it. */
import { closeSync } from 'node:fs';
import { LibC } from '../libc.ts';
import type { PlaneDrops } from '../engine.ts';
import type { GroupMembership } from '../limits/membership.ts';
import { GUEST_STDIO } from '../plane/message.ts';
import type { HelperOptions } from '../plane/message.ts';
import { PlaneNetwork } from '../plane/network.ts';
import { HelperPort, helperOptions } from '../plane/port.ts';
import type { HelperService } from '../plane/port.ts';
import type { Bubblewrap } from './bubblewrap.ts';
import type { GuestPlan } from './plan.ts';

type Parts = Awaited<ReturnType<typeof loadParts>>;

async function loadParts() {
  const [{ Stage }, { guestRoot }, { Bubblewrap }, { GroupMembership }] = await Promise.all([
    import('../root/stage.ts'),
    import('./root.ts'),
    import('./bubblewrap.ts'),
    import('../limits/membership.ts'),
  ]);
  return { Stage, guestRoot, Bubblewrap, GroupMembership };
}

class Launcher implements HelperService<GuestPlan> {
  readonly #port: HelperPort<GuestPlan>;
  readonly #libc: Promise<LibC>;
  /** Loaded while the network's tools run. */
  readonly #parts: Promise<Parts>;
  /** Null where a test leaves the guest in the host's network. */
  readonly #network: Promise<PlaneNetwork | null>;
  readonly #boot: Record<string, number> = {};
  #guest: Bubblewrap | null = null;
  #groups: GroupMembership | null = null;
  #closing = false;

  constructor(port: HelperPort<GuestPlan>, options: HelperOptions) {
    this.#port = port;
    this.#boot['helper'] = process.uptime() * 1000;
    this.#libc = LibC.load();
    this.#network = this.#openNetwork(options);
    this.#parts = this.#libc.then(loadParts);
    // Failures are told in answer to `start`.
    this.#parts.catch(() => undefined);
    this.#network.catch(() => undefined);
  }

  async #openNetwork(options: HelperOptions): Promise<PlaneNetwork | null> {
    if (options.network === 'host') return null;
    const started = performance.now();
    const tools = options.network === 'plane' ? PlaneNetwork.startTools(options.tools, options) : null;
    const libc = await this.#libc;
    const network = tools === null ? await PlaneNetwork.isolated(options.tools, libc) : await PlaneNetwork.open(options.tools, libc, tools);
    if (tools !== null) this.#port.sendListeners(network.sockets);
    if (options.packets !== undefined) await network.capturePackets(options.packets);
    this.#boot['network'] = performance.now() - started;
    return network;
  }

  async start(plan: GuestPlan): Promise<Record<string, number>> {
    const libc = await this.#libc;
    const { Stage, guestRoot, Bubblewrap, GroupMembership } = await this.#parts;
    const started = performance.now();
    this.#groups = new GroupMembership(plan.limits.groups); // before the stage covers /sys
    const stage = new Stage(libc, !plan.without.includes('overlays'), plan.limits.fileSpace);
    const root = await guestRoot(stage, plan);
    this.#boot['root'] = performance.now() - started;
    const network = await this.#network;
    const launch = (): Bubblewrap => new Bubblewrap(libc, stage, plan, root);
    if (this.#closing) throw new Error('the host has ended');
    libc.closeOnExec();
    this.#guest = network === null ? launch() : network.inGuest(launch);
    // The guest has its own copies; ours would keep a terminal or a pipe open after its end.
    for (const fd of GUEST_STDIO) closeSync(fd);
    void this.#guest.exited.then((exit) => this.#port.sendExit(exit));
    await this.#guest.confine(this.#groups, plan.limits);
    return this.#boot;
  }

  async run(): Promise<Record<string, number>> {
    const started = performance.now();
    if (this.#guest === null) throw new Error('no guest has been started');
    await this.#guest.release();
    return { release: performance.now() - started };
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    await this.#guest?.signal(name);
  }

  async drops(): Promise<PlaneDrops> {
    const network = await this.#network;
    return network === null ? { udp: 0, other: 0 } : network.drops();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#guest?.close();
    await this.#groups?.close();
    await (await this.#network.catch(() => null))?.endPackets();
  }
}

const port = new HelperPort<GuestPlan>();
port.serve(new Launcher(port, helperOptions()));
