/**
 * The tables of the store, by versions. `PRAGMA user_version` says which one a file has; a newer program
 * brings it up to date by the steps that it lacks. A step, once released, is never changed.
 */
export const APPLICATION_ID = 0x4d434952; // "MCIR", in the header of the file.

const FIRST = `
  CREATE TABLE signals (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    created_at TEXT NOT NULL,
    job TEXT,
    domain TEXT,
    confidence REAL,
    source TEXT,
    body TEXT NOT NULL,
    tags BLOB NOT NULL,
    data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX signals_by_time ON signals (created_at);
  CREATE INDEX signals_by_job ON signals (job, created_at) WHERE job IS NOT NULL;
  -- Flows are nearly all there is: an index of the rest costs them nothing and finds violations at once.
  CREATE INDEX signals_by_type ON signals (type, created_at) WHERE type <> 'network_flow';

  CREATE TRIGGER signals_are_never_changed BEFORE UPDATE ON signals
    BEGIN SELECT raise(ABORT, 'signals are immutable'); END;
  CREATE TRIGGER signals_are_never_deleted BEFORE DELETE ON signals
    BEGIN SELECT raise(ABORT, 'signals are immutable'); END;
  -- An id that is there stays as it is, also under INSERT OR REPLACE, whose deletion no trigger sees.
  CREATE TRIGGER signals_are_never_replaced BEFORE INSERT ON signals
    WHEN EXISTS (SELECT 1 FROM signals WHERE id = new.id)
    BEGIN SELECT raise(IGNORE); END;

  -- Filled when a search is made, up to indexed.seq, so that writing costs no indexing.
  CREATE VIRTUAL TABLE words USING fts5 (body, detail, content = '', tokenize = "unicode61 remove_diacritics 2");
  CREATE TABLE indexed (seq INTEGER NOT NULL) STRICT;
  INSERT INTO indexed VALUES (0);
`;

export const MIGRATIONS: readonly string[] = [FIRST];
export const SCHEMA_VERSION = MIGRATIONS.length;
