/** Opens the file of the store: makes it private, checks that it is ours and intact, brings it up to date. */
import { chmodSync, closeSync, constants, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { MentuError } from '../../../core/index.ts';
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from './schema.ts';

/** How long a writer waits for the others, in milliseconds. */
const BUSY_TIMEOUT = 10_000;
const ATTEMPTS = 50;
const ATTEMPT_PAUSE = 100;

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/** Creates file and folder where there are none. Throws `store_…`. */
export async function openDatabase(file: string): Promise<DatabaseSync> {
  try {
    makePrivate(file);
    return await prepared(file);
  } catch (error) {
    throw storeError(file, error);
  }
}

/** The error as the user should read it. */
export function storeError(file: string, error: unknown): MentuError {
  if (error instanceof MentuError) return error;
  const { errcode, message } = error as { errcode?: number; message: string };
  const params = { file, reason: message };
  switch (errcode === undefined ? undefined : errcode & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return new MentuError('store_corrupt', params, { cause: error });
    case SQLITE_BUSY:
      return new MentuError('store_busy', { ...params, seconds: BUSY_TIMEOUT / 1000 }, { cause: error });
    case SQLITE_FULL:
      return new MentuError('store_full', params, { cause: error });
    default:
      return new MentuError('store_unusable', params, { cause: error });
  }
}

export function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && (code & 0xff) === SQLITE_BUSY;
}

/** SQLite gives `-wal` and `-shm` the mode of the file itself, so it has to be right before they are made. */
function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600));
  for (const each of [file, `${file}-wal`, `${file}-shm`]) {
    if (existsSync(each) && (statSync(each).mode & 0o077) !== 0) chmodSync(each, 0o600);
  }
}

async function prepared(file: string): Promise<DatabaseSync> {
  // Switching a new file to WAL fails at once, without the busy timeout, where another process does the same.
  for (let attempt = 1; ; attempt++) {
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT });
    try {
      checkOwner(database, file);
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8000; PRAGMA trusted_schema = OFF');
      if (versionOf(database) < SCHEMA_VERSION) migrate(database);
      return database;
    } catch (error) {
      database.close();
      if (!isBusy(error) || attempt === ATTEMPTS) throw error;
      await sleep(ATTEMPT_PAUSE);
    }
  }
}

function checkOwner(database: DatabaseSync, file: string): void {
  const application = number(database, 'PRAGMA application_id');
  const version = versionOf(database);
  const empty = application === 0 && version === 0 && number(database, 'SELECT count(*) FROM sqlite_schema') === 0;
  if (empty) return;
  if (application !== APPLICATION_ID) throw new MentuError('store_foreign', { file });
  if (version > SCHEMA_VERSION) throw new MentuError('store_newer', { file, version, known: SCHEMA_VERSION });
}

function migrate(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    // Another process may have been quicker.
    for (let version = versionOf(database); version < SCHEMA_VERSION; version++) database.exec(MIGRATIONS[version]!);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return number(database, 'PRAGMA user_version');
}

function number(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get()!)[0]);
}
