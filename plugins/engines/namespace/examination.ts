/** What the namespace engine needs of a machine, and the one line that mends what is missing. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Finding } from '../engine.ts';
import { LibC } from '../libc.ts';
import { findPlaces } from '../limits/hierarchies.ts';
import { PACKETS_LINE } from '../plane/packet-stream.ts';
import { TOOL_NAMES, findTool } from '../tools.ts';
import { filterArchitecture } from './seccomp.ts';

export const INSTALL_LINE = 'apt-get install -y bubblewrap nftables iproute2 util-linux';

const TRIAL_LIMIT_MS = 5_000;

export async function examine(): Promise<Finding[]> {
  const tools = [...TOOL_NAMES, 'setsid'].map((name): Finding => {
    const path = findTool(name);
    return path === null ? { name, ok: false, detail: 'not found', mend: INSTALL_LINE } : { name, ok: true, detail: path };
  });
  return [architecture(), ...tools, await library(), await userNamespaces(), limits(), packets()];
}

/** Nothing that a guest needs: a job without limits runs anywhere. */
function limits(): Finding {
  const places = findPlaces(['memory', 'cpu', 'pids']);
  const held = places.flatMap(({ version, controllers }) => controllers.map((controller) => `${controller} (cgroup v${version})`));
  const missing = (['memory', 'cpu'] as const).filter((controller) => !places.some(({ controllers }) => controllers.includes(controller)));
  const lack = missing.length === 0 ? [] : [`this user can make no cgroup for ${missing.join(' and ')}, so such a limit would not hold`];
  return { name: 'limits', ok: true, detail: [held.join(', '), ...lack].filter(Boolean).join('; ') };
}

/** Needed by nobody but who asks for packets. */
function packets(): Finding {
  const path = findTool('tcpdump');
  return { name: 'packets', ok: true, detail: path ?? `tcpdump is not found, and interceptor.pcap needs it: ${PACKETS_LINE}` };
}

function architecture(): Finding {
  const name = 'architecture';
  if (process.platform !== 'linux') return { name, ok: false, detail: `${process.platform} has no namespaces`, mend: 'use Linux, or "mentu-runtime proxy"' };
  return filterArchitecture() === null
    ? { name, ok: false, detail: `no system call filter for ${process.arch}`, mend: 'use x86_64 or aarch64' }
    : { name, ok: true, detail: process.arch };
}

async function library(): Promise<Finding> {
  try {
    await LibC.load();
    return { name: 'koffi', ok: true, detail: 'loads' };
  } catch (error) {
    return { name: 'koffi', ok: false, detail: error instanceof Error ? error.message : String(error), mend: 'npm install koffi' };
  }
}

/** The sysctls that distributions close user namespaces with, and the values that open them. */
const SWITCHES = [
  ['user/max_user_namespaces', (value: string) => Number(value) > 0, '15000'],
  ['kernel/unprivileged_userns_clone', (value: string) => value === '1', '1'],
  ['kernel/apparmor_restrict_unprivileged_userns', (value: string) => value === '0', '0'],
] as const;

async function userNamespaces(): Promise<Finding> {
  const name = 'user namespaces';
  const unshare = findTool('unshare');
  if (unshare === null) return { name, ok: false, detail: 'cannot be tried without unshare', mend: INSTALL_LINE };
  const reason = await trial(unshare, ['--user', '--map-root-user', '--mount', '--net', 'true']);
  if (reason === null) return { name, ok: true, detail: 'can be made' };
  for (const [key, open, value] of SWITCHES) {
    const file = `/proc/sys/${key}`;
    if (existsSync(file) && !open(readFileSync(file, 'utf8').trim())) {
      const setting = `${key.replaceAll('/', '.')}=${value}`;
      return { name, ok: false, detail: reason, mend: `sysctl -w ${setting}` };
    }
  }
  return { name, ok: false, detail: reason, mend: 'allow user namespaces: in a container, run it with a seccomp profile that permits them' };
}

/** Null where the command succeeds, else its own words. */
function trial(file: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: TRIAL_LIMIT_MS });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (words += chunk));
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : words.trim() || `exit code ${code}`));
  });
}
