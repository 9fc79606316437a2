/** A job in a guest as `exec` and the steps of a recipe run it: its summary lies in its folder. */
import { join } from 'node:path';
import type { GuestEngine } from '../../plugins/engines/engine.ts';
import type { PluginModules } from '../plugins/modules.ts';
import type { JobSettings } from '../settings/job-settings.ts';
import { runGuestJob, type GuestJobResult } from './guest-job.ts';
import { writePrivately, type JobFolder } from './job-folder.ts';

export async function runRecordedJob(settings: JobSettings, engine: GuestEngine, folder: JobFolder, modules: PluginModules): Promise<GuestJobResult> {
  const result = await runGuestJob(settings, engine, folder, modules);
  writePrivately(join(folder.path, 'summary.json'), JSON.stringify(result.summary, null, 2) + '\n');
  return result;
}
