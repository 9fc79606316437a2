/** The virtual machine: QEMU's command line, its confinement, and the ports by which the host speaks with the guest. */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { GUEST, MTU } from '../plane/addresses.ts';
import { bytes } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';
import { systemPrograms } from '../root/programs.ts';
import type { Stage } from '../root/stage.ts';
import { FIRST_FD, startConfined } from './confinement.ts';
import type { Handed } from './confinement.ts';
import type { Guard } from './guards.ts';
import type { FileServer } from './fileserver.ts';
import { SHARE_TAG } from './kernel/initramfs.ts';
import type { Accelerator, MachinePlan } from './plan.ts';

/** Folders and files as QEMU sees them. */
const KERNEL = '/run/kernel';
const INITRAMFS = '/run/initramfs';
const SOCKETS = '/run/sockets';
/** A user that is nobody on the host. */
const NOBODY = 65534;

/** Ports of the virtual serial bus, by number: the guest finds them as /dev/vport0p1 and so on. */
export const PORTS = { control: 1, stdin: 2, stdout: 3, stderr: 4 } as const;
export type PortName = keyof typeof PORTS;

/**
 * What of the kernel's start is not needed in a machine that lives for one job. Mitigations guard processes of a guest
 * from each other, and a guest is one job.
 */
const KERNEL_WORDS = [
  'console=ttyS0 quiet loglevel=3 panic=-1 reboot=t mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on',
  // The guest has one address of each family, by our hand.
  'ipv6.autoconf=0 net.ifnames=0',
] as const;

/**
 * What of a processor costs the most to translate. The first guard a guest's kernel from its own processes only, and took
 * a sixth of the time to boot. With the last two, kernel and C library would copy and clear by single bytes, each of
 * which is translated by itself: starting a program took twice as long.
 */
const UNTRANSLATED = '-smap,-smep,-umip,-pku,-la57,-erms,-fsrm';

export type MachinePorts = Readonly<Record<PortName, Socket>>;

/** `tap`: the descriptor of the plane's interface, which this closes; null where the guest has no network. */
export interface MachineStart {
  readonly stage: Stage;
  readonly plan: MachinePlan;
  /** On the stage. */
  readonly initramfs: string;
  readonly files: FileServer;
  readonly tap: number | null;
}

export interface Machine {
  readonly process: ChildProcess;
  readonly ports: MachinePorts;
}

export function startMachine({ stage, plan, initramfs, files, tap }: MachineStart): Machine {
  const { tools, kernel, without } = plan;
  const names = Object.keys(PORTS) as PortName[];
  const handed: Handed[] = [...names.map(() => 'pipe' as const), ...(tap === null ? [] : [tap])];
  const fdOf = (index: number): number => FIRST_FD + index;
  const confined = !without.includes('confinement');
  const options: BytePath[] = [
    ...(confined ? ['--uid', `${NOBODY}`, '--gid', `${NOBODY}`, '--cap-drop', 'ALL', ...systemPrograms()] : ['--dev-bind', '/', '/', '--tmpfs', '/run']),
    ...(confined ? ['--dev', '/dev', '--tmpfs', '/tmp'] : []),
    ...(confined && plan.accelerator === 'kvm' ? ['--dev-bind', '/dev/kvm', '/dev/kvm'] : []),
    ...['--ro-bind', bytes(kernel.image), KERNEL, '--ro-bind', initramfs, INITRAMFS],
    ...['--bind', files.sockets, SOCKETS, ...(confined ? ['--remount-ro', '/'] : [])],
  ];
  const command = [
    tools.qemu,
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...(confined ? ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'] : []),
    ...board(plan.accelerator, plan.tscKhz),
    ...['-smp', `${plan.processors}`, '-m', `${plan.memoryMiB}M`],
    ...['-object', `memory-backend-memfd,id=memory,size=${plan.memoryMiB}M,share=on`, '-machine', 'memory-backend=memory'],
    ...['-kernel', KERNEL, '-initrd', INITRAMFS, '-append', kernelLine(plan)],
    ...['-rtc', 'base=utc', '-device', 'virtio-rng-device'],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=files,path=${join(SOCKETS, files.socket)}`, '-device', `vhost-user-fs-device,chardev=files,tag=${SHARE_TAG},queue-size=1024`],
    ...['-device', 'virtio-serial-device'],
    ...names.flatMap((name, index) => ['-chardev', `socket,id=${name},fd=${fdOf(index)}`, '-device', `virtserialport,chardev=${name},nr=${PORTS[name]}`]),
    ...card(tap === null ? null : fdOf(handed.length - 1), without),
    ...(without.includes('monitor') ? monitor() : []),
  ];
  const process = startConfined({ bwrap: tools.bwrap, without, stage, options, command, handed });
  if (tap !== null) closeSync(tap);
  const socket = (index: number): Socket => process.stdio[fdOf(index)] as unknown as Socket;
  return { process, ports: Object.fromEntries(names.map((name, index) => [name, socket(index)])) as Record<PortName, Socket> };
}

/** For a test alone: QEMU's monitor on a port of the guest, by way of a pair of chardevs within QEMU. */
function monitor(): string[] {
  return ['-chardev', 'socket,id=monitor,path=/tmp/monitor,server=on,wait=off', '-mon', 'chardev=monitor', '-chardev', 'socket,id=reach,path=/tmp/monitor', '-device', 'virtserialport,chardev=reach,nr=9'];
}

/** `tap`: its descriptor as QEMU has it. */
function card(tap: number | null, without: readonly Guard[]): string[] {
  if (without.includes('network')) return ['-netdev', 'user,id=plane', '-device', `virtio-net-device,netdev=plane,mac=${GUEST.mac}`];
  if (tap === null) return [];
  return ['-netdev', `tap,id=plane,fd=${tap}`, '-device', `virtio-net-device,netdev=plane,mac=${GUEST.mac},host_mtu=${MTU}`];
}

/**
 * The smallest board there is. Its virtio devices are found by ACPI. The old interrupt controller and timer are left out;
 * the timer stays where the guest's kernel has to find out by itself how fast its counter runs.
 */
export function board(accelerator: Accelerator, tscKhz: number | null): string[] {
  const timer = accelerator === 'tcg' && tscKhz === null ? 'on' : 'off';
  const processor = accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', `max,${UNTRANSLATED}`];
  return ['-machine', `microvm,pit=${timer},pic=${timer}`, '-global', 'virtio-mmio.force-legacy=false', ...processor];
}

export function kernelLine({ accelerator, tscKhz }: Pick<MachinePlan, 'accelerator' | 'tscKhz'>): string {
  // Under TCG, the guest reads the host's counter, and there is no timer to measure it by.
  const counter = accelerator === 'tcg' && tscKhz !== null ? [`tsc_early_khz=${tscKhz}`] : [];
  return [...KERNEL_WORDS, ...counter].join(' ');
}
