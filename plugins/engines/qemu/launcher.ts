/** The helper process of the QEMU engine: builds the plane, lays the guest's root, starts its file server and the machine. */
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { LibC } from '../libc.ts';
import type { PlaneDrops } from '../engine.ts';
import type { HelperOptions } from '../plane/message.ts';
import { PlaneNetwork } from '../plane/network.ts';
import { HelperPort, helperOptions } from '../plane/port.ts';
import type { HelperService } from '../plane/port.ts';
import { Stage } from '../root/stage.ts';
import { jobArchive } from './agent.ts';
import { serveFiles } from './fileserver.ts';
import { startMachine } from './machine.ts';
import type { MachinePlan } from './plan.ts';
import { RunningMachine } from './running-machine.ts';

class Launcher implements HelperService<MachinePlan> {
  readonly #libc: Promise<LibC>;
  readonly #network: Promise<PlaneNetwork | null>;
  readonly #port: HelperPort<MachinePlan>;
  readonly #boot: Record<string, number> = {};
  #machine: RunningMachine | null = null;
  #closing = false;

  constructor(port: HelperPort<MachinePlan>, options: HelperOptions) {
    this.#port = port;
    this.#boot['helper'] = process.uptime() * 1000;
    this.#libc = LibC.load();
    this.#network = this.#openNetwork(options);
    this.#network.catch(() => undefined); // told in answer to `start`
  }

  async #openNetwork(options: HelperOptions): Promise<PlaneNetwork | null> {
    if (options.network !== 'plane') return null;
    const started = performance.now();
    const tools = PlaneNetwork.startTools(options.tools, { ...options, neighbours: 'asked' });
    const network = await PlaneNetwork.withTap(options.tools, await this.#libc, tools);
    this.#port.sendListeners(network.sockets);
    if (options.packets !== undefined) await network.capturePackets(options.packets);
    this.#boot['network'] = performance.now() - started;
    return network;
  }

  async start(plan: MachinePlan): Promise<Record<string, number>> {
    const libc = await this.#libc;
    const started = performance.now();
    const stage = new Stage(libc, !plan.without.includes('overlays'));
    const files = await serveFiles(libc, stage, plan);
    // The kernel unpacks archives one behind the other.
    const initramfs = stage.file(Buffer.concat([await readFile(plan.kernel.initramfs), jobArchive(plan)]));
    this.#boot['root'] = performance.now() - started;
    const network = await this.#network;
    libc.closeOnExec();
    const begun = performance.now();
    this.#machine = new RunningMachine(startMachine({ stage, plan, initramfs, files, tap: network?.takeTap() ?? null }), files.process, plan);
    void this.#machine.exited.then((exit) => this.#port.sendExit(exit));
    if (this.#closing) await this.#machine.close();
    await this.#machine.ready(plan.bootLimitMs);
    this.#boot['kernel'] = performance.now() - begun;
    return this.#boot;
  }

  async run(): Promise<Record<string, number>> {
    const started = performance.now();
    if (this.#machine === null) throw new Error('no guest has been started');
    await this.#machine.run();
    return { release: performance.now() - started };
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    this.#machine?.signal(constants.signals[name]);
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.#machine?.resize(columns, rows);
  }

  async drops(): Promise<PlaneDrops> {
    const network = await this.#network;
    return network === null ? { udp: 0, other: 0 } : network.drops();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#machine?.close();
    await (await this.#network.catch(() => null))?.endPackets();
  }
}

const port = new HelperPort<MachinePlan>();
port.serve(new Launcher(port, helperOptions()));
