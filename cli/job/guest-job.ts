/** A command in a guest: prepares it, joins it to the capture (or to plain outbound), runs it, and cleans up. */
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CertificateAuthority, Dialler } from '../../core/capture.ts';
import { MentuError } from '../../core/index.ts';
import { PlainOutbound } from '../../core/plain-outbound.ts';
import { mentuHome } from '../../plugins/cir-sink/location.ts';
import type { Guest, GuestEngine, GuestExit, Mount } from '../../plugins/engines/engine.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { commandOf, type JobSettings } from '../settings/job-settings.ts';
import { CapturedJob } from './captured-job.ts';
import { DefectTrap } from './defect-trap.ts';
import type { JobFolder } from './job-folder.ts';
import { TrafficCounter, statusText, type JobSummary } from './job-summary.ts';
import { StatusLine } from './status-line.ts';
import { TerminalSession, wantsTerminal } from './terminal-session.ts';

/** What the guest must never read or write, wherever it lies inside a mount. */
const MASKED_NAMES = ['.mentu', 'mentu.yaml'];
const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGTSTP'];

export interface GuestJobResult {
  readonly exit: GuestExit;
  readonly summary: JobSummary;
}

export async function runGuestJob(settings: JobSettings, engine: GuestEngine, folder: JobFolder, modules: PluginModules): Promise<GuestJobResult> {
  const { command, args } = commandOf(settings);
  const startedAt = new Date();
  const started = performance.now();
  const authority = settings.interceptor ? CertificateAuthority.create(folder.id) : null;
  const plane = authority !== null || settings.networkMode === 'nat';
  const terminal = wantsTerminal();
  // What is not there cannot be hidden, and a guest with a mount above it could make it.
  mkdirSync(mentuHome(), { recursive: true, mode: 0o700 });
  let counter = new TrafficCounter();
  // Without a capture there is nothing to tell, and the terminal is the command's alone.
  const status = settings.interceptor ? StatusLine.open(() => statusText(counter.traffic, (performance.now() - started) / 1000), process.stdout.isTTY) : null;

  // The guest is prepared while the plugins load; whichever fails, the other is undone.
  const [prepared, opened] = await Promise.allSettled([
    engine.prepare({
      jobId: folder.id,
      command,
      args,
      env: settings.env,
      cwd: guestCwd(settings.workspace, settings.mounts),
      mounts: settings.mounts,
      maskedNames: MASKED_NAMES,
      hiddenPaths: [folder.path, mentuHome()],
      network: plane ? 'plane' : 'none',
      limits: settings.limits,
      ports: settings.ports,
      rootfs: null,
      caCertificate: authority?.certificate ?? null,
      terminal: terminal ? { columns: process.stdout.columns, rows: status?.rowsForCommand ?? process.stdout.rows } : null,
    }),
    authority ? openCapture(settings, folder, authority, modules) : null,
  ]);
  const guest = prepared.status === 'fulfilled' ? prepared.value : null;
  const job = opened.status === 'fulfilled' ? opened.value : null;
  let outbound: PlainOutbound | null = null;
  let session: TerminalSession | null = null;
  const forward = (signal: NodeJS.Signals): void => guest?.signal(signal);
  const defect = new DefectTrap();
  try {
    if (opened.status === 'rejected') throw opened.reason;
    if (!guest) throw (prepared as PromiseRejectedResult).reason;
    if (job) counter = job.counter;
    if (guest.listeners) {
      if (job) job.capture.captureGuest(guest.listeners);
      else outbound = new PlainOutbound(guest.listeners, new Dialler({ hosts: settings.hosts }));
    }
    if (guest.terminal) session = new TerminalSession(guest.terminal, status);
    for (const signal of FORWARDED) process.on(signal, forward);
    await guest.run();
    const exit = await Promise.race([guest.exited, defect.caught]);
    const drops = await guest.drops().catch(() => null);
    await session?.close();
    session = null;
    await closeAll(guest, outbound, job);
    const summary: JobSummary = {
      job_id: folder.id,
      directory: folder.path,
      preset: settings.preset.name,
      engine: engine.name,
      boundary: engine.boundary,
      command: [command, ...args],
      exit_code: exit.code,
      started_at: startedAt.toISOString(),
      duration_ms: Math.round(performance.now() - started),
      boot_ms: guest.boot,
      dropped_packets: drops,
      record: job ? relative(settings.cwd, join(folder.path, 'flows.jsonl')) : null,
      ...counter.traffic,
    };
    return { exit, summary };
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
    await session?.close();
    status?.close();
    await closeAll(guest, outbound, job);
    defect.close();
  }
}

async function openCapture(settings: JobSettings, folder: JobFolder, authority: CertificateAuthority, modules: PluginModules): Promise<CapturedJob> {
  const job = await CapturedJob.open(settings, folder, authority, modules);
  await job.capture.start();
  return job;
}

/** The guest goes first, so that its last requests end before the capture does. */
async function closeAll(guest: Guest | null, outbound: PlainOutbound | null, job: CapturedJob | null): Promise<void> {
  await guest?.close();
  outbound?.close();
  await job?.close();
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

/** Refuses what would silently not hold. */
export function checkIsolation(settings: JobSettings): void {
  const lists = settings.lists.filter(({ allowed, denied }) => allowed !== null || denied.length > 0);
  if (!settings.interceptor && settings.networkMode === 'nat' && lists.length > 0) {
    throw new MentuError('lists_without_interceptor', { source: lists[0]!.source });
  }
}
