/** A job whose summary lies in its folder, as `exec` and the steps of a recipe leave it. */
import { join } from 'node:path';
import type { GuestEngine } from '../../plugins/engines/engine.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { commandOf, type JobSettings } from '../settings/job-settings.ts';
import { runGuestJob, type GuestJobResult } from './guest-job.ts';
import { runHostJob, type HostExit } from './host-job.ts';
import { writePrivately, type JobFolder } from './job-folder.ts';
import { TrafficCounter, type JobSummary } from './job-summary.ts';

export async function runRecordedJob(settings: JobSettings, engine: GuestEngine, folder: JobFolder, modules: PluginModules): Promise<GuestJobResult> {
  const result = await runGuestJob(settings, engine, folder, modules);
  writeSummary(folder, result.summary);
  return result;
}

/** On the host: the summary tells how the command ended, and no traffic. */
export async function runRecordedHostJob(settings: JobSettings, folder: JobFolder): Promise<HostExit> {
  const startedAt = new Date();
  const started = performance.now();
  const exit = await runHostJob(settings);
  const { command, args } = commandOf(settings);
  writeSummary(folder, {
    job_id: folder.id,
    directory: folder.path,
    preset: settings.preset.name,
    engine: null,
    boundary: null,
    engine_facts: {},
    command: [command, ...args],
    exit_code: exit.code,
    timed_out: exit.timedOut,
    restarts: 0,
    oom: false,
    limits_not_enforced: [],
    started_at: startedAt.toISOString(),
    duration_ms: Math.round(performance.now() - started),
    boot_ms: {},
    dropped_packets: null,
    record: null,
    key_log: null,
    pcap: null,
    ...new TrafficCounter().traffic,
  });
  return exit;
}

function writeSummary(folder: JobFolder, summary: JobSummary): void {
  writePrivately(join(folder.path, 'summary.json'), JSON.stringify(summary, null, 2) + '\n');
}
