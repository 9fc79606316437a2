/** What the QEMU engine needs of a machine, and the one line that mends what is missing. */
import { accessSync, constants, existsSync } from 'node:fs';
import type { Finding } from '../engine.ts';
import { examine as examineNamespaces } from '../namespace/examination.ts';
import { findTool } from '../tools.ts';
import { KernelStore } from './kernel/store.ts';
import type { MachineTools } from './plan.ts';

export const SETUP_LINE = 'mentu-runtime engine setup qemu';
const TUN = '/dev/net/tun';
/** virtiofsd is on nobody's PATH. */
const VIRTIOFSD = ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd', '/usr/lib/virtiofsd'] as const;

type Machine = Omit<MachineTools, 'bwrap'>;

export function findMachineTools(): { tools: Machine } | { missing: string[] } {
  const qemu = findTool('qemu-system-x86_64');
  const virtiofsd = VIRTIOFSD.find((path) => existsSync(path)) ?? findTool('virtiofsd');
  if (qemu !== null && virtiofsd !== null) return { tools: { qemu, virtiofsd } };
  return { missing: [...(qemu === null ? ['qemu-system-x86_64'] : []), ...(virtiofsd === null ? ['virtiofsd'] : [])] };
}

/** `home`: the folder of kernels. */
export async function examine(home: string): Promise<Finding[]> {
  const shared = await examineNamespaces();
  return [...shared, architecture(), ...programs(), tunnel(), kernel(home)];
}

function architecture(): Finding {
  const name = 'virtual machine';
  return process.arch === 'x64'
    ? { name, ok: true, detail: 'x86_64' }
    : { name, ok: false, detail: `not tried on ${process.arch}`, mend: 'use the namespace engine, or an x86_64 machine' };
}

function programs(): Finding[] {
  const found = findMachineTools();
  if ('tools' in found) return Object.entries(found.tools).map(([name, detail]) => ({ name, ok: true, detail }));
  return found.missing.map((name) => ({ name, ok: false, detail: 'not found', mend: SETUP_LINE }));
}

function tunnel(): Finding {
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    return { name: TUN, ok: true, detail: 'can be opened' };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'not there' : 'cannot be opened by this user';
    const mend = reason === 'not there' ? 'modprobe tun (in a container: run it with --device /dev/net/tun)' : `chmod 666 ${TUN}`;
    return { name: TUN, ok: false, detail: reason, mend };
  }
}

function kernel(home: string): Finding {
  const { kernel: found, reason } = new KernelStore(home).state();
  return found === null
    ? { name: 'kernel', ok: false, detail: reason ?? 'no kernel is set up', mend: SETUP_LINE }
    : { name: 'kernel', ok: true, detail: `${found.release}, ${found.origin}` };
}
