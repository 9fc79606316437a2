/** A command in a guest: prepares it, joins it to the capture (or to plain outbound), runs it, again where its policy says so, and cleans up. */
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CertificateAuthority } from '../../core/capture.ts';
import { MentuError } from '../../core/index.ts';
import { mentuHome } from '../../plugins/cir-sink/location.ts';
import type { Guest, GuestEngine, GuestExit, GuestSpec, Mount } from '../../plugins/engines/engine.ts';
import { note } from '../output.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { commandOf, type JobSettings } from '../settings/job-settings.ts';
import { forwardText } from '../settings/port-forwards.ts';
import { CapturedJob } from './captured-job.ts';
import { CommandRuns } from './command-runs.ts';
import { DefectTrap } from './defect-trap.ts';
import { openGuestRoot, type GuestRoot } from './guest-root.ts';
import type { JobWiring } from './guest-run.ts';
import { NO_FILES } from './job-files.ts';
import type { JobFolder } from './job-folder.ts';
import { TrafficCounter, statusText, type JobSummary } from './job-summary.ts';
import { PortListeners } from './port-listeners.ts';
import { SignalForwarder } from './signal-forwarder.ts';
import { StatusLine } from './status-line.ts';
import { wantsTerminal } from './terminal-session.ts';
import { TimeLimit } from './time-limit.ts';

/** What the guest must never read or write, wherever it lies inside a mount. */
const MASKED_NAMES = ['.mentu', 'mentu.yaml'];

export interface GuestJobResult {
  readonly exit: GuestExit;
  readonly summary: JobSummary;
}

export async function runGuestJob(asked: JobSettings, engine: GuestEngine, folder: JobFolder, modules: PluginModules): Promise<GuestJobResult> {
  const startedAt = new Date();
  const started = performance.now();
  const root = await openGuestRoot(asked, { paths: hiddenPaths(asked, folder), names: MASKED_NAMES });
  const { settings } = root;
  const authority = settings.interceptor ? CertificateAuthority.create(folder.id) : null;
  // What is not there cannot be hidden, and a guest with a mount above it could make it.
  mkdirSync(mentuHome(), { recursive: true, mode: 0o700 });
  let counter = new TrafficCounter();
  const ports = await PortListeners.open(settings.ports);
  // Without a capture there is nothing to tell, and the terminal is the command's alone.
  const status = settings.interceptor ? StatusLine.open(() => statusText(counter.traffic, (performance.now() - started) / 1000), process.stdout.isTTY) : null;
  const prepare = (): Promise<Guest> => engine.prepare(guestSpec(root, folder, authority, status));

  // The guest is prepared while the plugins load; whichever fails, the other is undone.
  const [prepared, opened] = await Promise.allSettled([prepare(), authority ? openCapture(settings, folder, authority, modules) : null]);
  const guest = prepared.status === 'fulfilled' ? prepared.value : null;
  const job = opened.status === 'fulfilled' ? opened.value : null;
  const defect = new DefectTrap();
  const wiring: JobWiring = { job, hosts: settings.hosts, dnsServers: settings.dnsServers, ports, signals: new SignalForwarder(), limit: new TimeLimit(settings.timeout), status };
  const runs = new CommandRuns(settings, wiring, prepare);
  try {
    if (opened.status === 'rejected') throw opened.reason;
    if (!guest) throw (prepared as PromiseRejectedResult).reason;
    if (job) counter = job.counter;
    for (const limit of guest.unenforced) note(`mentu: ${limit}`);
    const exit = await runs.run(guest, defect.caught);
    await ports.close();
    await job?.close();
    const { command, args } = commandOf(settings);
    const summary: JobSummary = {
      job_id: folder.id,
      directory: folder.path,
      preset: settings.preset.name,
      engine: engine.name,
      boundary: engine.boundary,
      engine_facts: guest.facts,
      command: [command, ...args],
      exit_code: exit.code,
      timed_out: runs.timedOut,
      restarts: runs.restarts,
      oom: runs.outOfMemory,
      limits_not_enforced: guest.unenforced,
      started_at: startedAt.toISOString(),
      duration_ms: Math.round(performance.now() - started),
      boot_ms: { ...root.boot, ...runs.boot },
      dropped_packets: runs.drops,
      ...(job ? job.files.named(settings.cwd) : NO_FILES),
      ...counter.traffic,
    };
    return { exit, summary };
  } finally {
    wiring.signals.close();
    wiring.limit.close();
    status?.close();
    await guest?.close();
    await ports.close();
    await job?.close();
    defect.close();
  }
}

function guestSpec({ settings, ...root }: GuestRoot, folder: JobFolder, authority: CertificateAuthority | null, status: StatusLine | null): GuestSpec {
  const { command, args } = commandOf(settings);
  return {
    jobId: folder.id,
    command,
    args,
    env: settings.env,
    cwd: guestCwd(settings.workspace, settings.mounts) ?? root.cwd,
    mounts: settings.mounts,
    maskedNames: MASKED_NAMES,
    hiddenPaths: hiddenPaths(settings, folder),
    network: authority !== null || settings.networkMode === 'nat' ? 'plane' : 'none',
    limits: settings.limits,
    ports: settings.ports,
    rootfs: root.folder,
    imageEnv: root.env,
    caCertificate: authority?.certificate ?? null,
    packets: authority !== null && settings.keys.pcap,
    terminal: wantsTerminal() ? { columns: process.stdout.columns, rows: status?.rowsForCommand ?? process.stdout.rows } : null,
  };
}

/** What guests never see, though it lie in a mount: the record, the user's store and the keys of client certificates. */
function hiddenPaths({ clientCertificates }: JobSettings, folder: JobFolder): string[] {
  return [folder.path, mentuHome(), ...new Set(clientCertificates.flatMap(({ files }) => files))];
}

async function openCapture(settings: JobSettings, folder: JobFolder, authority: CertificateAuthority, modules: PluginModules): Promise<CapturedJob> {
  const job = await CapturedJob.open(settings, folder, authority, modules);
  await job.capture.start();
  return job;
}

/** Where a mount shows the working directory, the command starts there. */
function guestCwd(cwd: string, mounts: readonly Mount[]): string | undefined {
  for (const { source, destination } of mounts) {
    const inside = relative(source, cwd);
    if (inside === '') return destination;
    if (!inside.startsWith('..') && !inside.startsWith('/')) return join(destination, inside);
  }
  return undefined;
}

/** The settings that are given and have no effect, for nothing is captured. */
export function idleUncaptured(settings: JobSettings): string[] {
  const { interceptor, keys, onPinned, upstreamProxy } = settings;
  if (interceptor) return [];
  const lists = (['clientCertificates', 'clientAuth', 'passthrough'] as const).filter((name) => settings[name].length > 0);
  const given = { ...keys, onPinned: onPinned !== 'fail', upstreamProxy: upstreamProxy !== null };
  return [...lists, ...Object.entries(given).filter(([, isGiven]) => isGiven).map(([name]) => name)];
}

/** Refuses what would silently not hold. */
export function checkIsolation(settings: JobSettings): void {
  const lists = settings.lists.filter(({ allowed, denied }) => allowed !== null || denied.length > 0);
  if (!settings.interceptor && settings.networkMode === 'nat' && lists.length > 0) {
    throw new MentuError('lists_without_interceptor', { source: lists[0]!.source });
  }
  if (!settings.interceptor && settings.networkMode === 'none' && settings.ports.length > 0) {
    throw new MentuError('ports_without_network', { ports: settings.ports.map(forwardText).join(', ') });
  }
}
