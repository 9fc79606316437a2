/** The folder of a job: `.mentu/jobs/<job-id>` under the working directory, or where `--job-dir` says; and that of a recipe's run. */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { MentuError } from '../../core/index.ts';

const PRIVATE = 0o700;

export interface JobFolder {
  readonly id: string;
  /** Absolute. */
  readonly path: string;
}

/** A job id that sorts by time: `job_20260131T120000_1a2b3c`. */
export function newJobId(now = new Date()): string {
  return newId('job', now);
}

export function newRunId(now = new Date()): string {
  return newId('run', now);
}

function newId(kind: string, now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').slice(0, 15);
  return `${kind}_${stamp}_${randomBytes(3).toString('hex')}`;
}

/**
 * Makes the folder, 0700 as every folder on the way that is new. Follows no symbolic link below the working
 * directory, for a guest may have written there. Throws `job_folder_unsafe` or `job_folder_taken`.
 */
export function createJobFolder(cwd: string, jobDir: string | null, id = newJobId()): JobFolder {
  if (jobDir !== null) {
    const path = resolve(cwd, jobDir);
    refuseLink(path);
    mkdirSync(path, { recursive: true, mode: PRIVATE });
    if (exists(join(path, 'flows.jsonl'))) throw new MentuError('job_folder_taken', { path });
    return { id, path };
  }
  return createNamed(cwd, 'jobs', id);
}

/** The folder of a recipe's run: `.mentu/runs/<run-id>` under the working directory. Throws `run_folder_unsafe`. */
export function createRunFolder(cwd: string, id: string): JobFolder {
  try {
    return createNamed(cwd, 'runs', id);
  } catch (error) {
    if (error instanceof MentuError && error.code === 'job_folder_unsafe') throw new MentuError('run_folder_unsafe', error.params, { cause: error });
    throw error;
  }
}

function createNamed(cwd: string, kind: 'jobs' | 'runs', id: string): JobFolder {
  const all = join(cwd, '.mentu', kind);
  for (const folder of [join(cwd, '.mentu'), all]) {
    refuseLink(folder);
    mkdirSync(folder, { recursive: true, mode: PRIVATE });
  }
  const path = join(all, id);
  mkdirSync(path, { mode: PRIVATE });
  pointLatest(all, id);
  return { id, path };
}

/** Writes a file that only its owner reads, in one step. */
export function writePrivately(path: string, text: string): void {
  const temporary = join(dirname(path), `.${basename(path)}-${randomBytes(4).toString('hex')}`);
  writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
  renameSync(temporary, path);
}

/** `latest` is a link beside the folders; it is replaced and never followed. */
function pointLatest(all: string, id: string): void {
  const link = join(all, `.latest-${id}`);
  rmSync(link, { force: true });
  symlinkSync(id, link);
  renameSync(link, join(all, 'latest'));
}

function refuseLink(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats && !stats.isDirectory()) throw new MentuError('job_folder_unsafe', { path, reason: stats.isSymbolicLink() ? 'it is a symbolic link' : 'it is no folder' });
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
