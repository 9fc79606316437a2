/**
 * The namespace engine: a guest is bubblewrap in user, mount, pid, network, IPC, UTS and cgroup namespaces of its own,
 * below the plane's, with a system call filter and no capability. It shares the host's kernel.
 */
import { MentuError } from '../../../core/index.ts';
import type { Finding, Guest, GuestEngine, GuestSpec } from '../engine.ts';
import { GuestControls, UNCONTROLLED } from '../limits/controls.ts';
import { refuseFolders } from '../plane/descriptors.ts';
import { PlaneGuest } from '../plane/plane-guest.ts';
import { PacketStream, packetTool } from '../plane/packet-stream.ts';
import { PlaneProcess } from '../plane/plane-process.ts';
import { environmentOf, identityOf } from '../root/environment.ts';
import { planRoot } from '../root/planning.ts';
import { findTool, findTools } from '../tools.ts';
import { INSTALL_LINE, examine } from './examination.ts';
import type { Guard } from './guards.ts';
import type { GuestPlan } from './plan.ts';
import { ROOT_POINTS } from './plan.ts';
import { Terminal } from './terminal.ts';

const LAUNCHER = new URL(import.meta.url.endsWith('.ts') ? './launcher.ts' : './launcher.js', import.meta.url);

export class NamespaceEngine implements GuestEngine {
  readonly name = 'namespace';
  readonly boundary = 'namespace';
  readonly #without: readonly Guard[];

  /** `without`: guards that a test takes away, to prove that its probe would succeed where they are missing. */
  constructor({ without = [] }: { without?: readonly Guard[] } = {}) {
    this.#without = without;
  }

  examine(): Promise<Finding[]> {
    return examine();
  }

  async prepare(spec: GuestSpec): Promise<Guest> {
    const started = performance.now();
    const found = findTools();
    const setsid = findTool('setsid');
    if ('missing' in found || setsid === null) {
      const missing = 'missing' in found ? found.missing : ['setsid'];
      throw new MentuError('engine_unavailable', { engine: this.name, reason: `${missing.join(', ')} not found`, mend: `Install with: ${INSTALL_LINE}` });
    }
    const tcpdump = packetTool(spec);
    const stdio = spec.stdio ?? [0, 1, 2];
    if (!spec.terminal) refuseFolders(stdio);
    const without = this.#without;
    const terminal = spec.terminal ? await Terminal.open(spec.terminal.columns, spec.terminal.rows) : null;
    const packets = tcpdump === undefined ? null : await PacketStream.open();
    const helper = new PlaneProcess<GuestPlan>({
      entry: LAUNCHER,
      options: {
        tools: found.tools,
        network: without.includes('network') ? 'host' : spec.network,
        dropUdp: !without.includes('udp'),
        packets: tcpdump,
      },
      packets,
      stdio: terminal ? [terminal.slave, terminal.slave, terminal.slave] : stdio,
    });
    terminal?.release();
    const controls = without.includes('limits') ? null : GuestControls.open(spec.limits);
    void helper.ended.then(() => controls?.close()); // the helper removes its groups itself, unless it was killed
    try {
      // The shares are walked, and the trust stores merged, while the helper starts.
      // A root of its own knows its own users, and this process's user is its root.
      const identity = spec.rootfs === null ? identityOf(process.getuid?.() ?? 0, process.getgid?.() ?? 0) : identityOf(0, 0);
      const cwd = spec.cwd ?? (spec.rootfs === null ? identity.home : '/');
      const root = await planRoot(spec, { identity, cwd, points: ROOT_POINTS, writable: true, without });
      const walked = performance.now() - started;
      const plan: GuestPlan = {
        ...root,
        command: [spec.command, ...spec.args],
        environment: environmentOf(spec, identity),
        cwd,
        terminal: terminal !== null,
        tools: { bwrap: found.tools.bwrap, setsid },
        limits: controls?.plan ?? UNCONTROLLED,
      };
      const [parts, listeners] = await Promise.all([helper.request('start', { start: plan }), helper.listeners, helper.packets?.ready]);
      return new PlaneGuest({ helper, listeners, terminal, controls, facts: controls?.facts, unenforced: controls?.unenforced, boot: { shares: walked, ...parts, prepare: performance.now() - started }, began: started });
    } catch (error) {
      await helper.close();
      await controls?.close();
      terminal?.close();
      throw error;
    }
  }
}
