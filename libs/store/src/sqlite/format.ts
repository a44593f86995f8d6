import type { DatabaseSync } from 'node:sqlite'
import { PurlinError } from '@purlin/base'
import { unreadable } from './failure.ts'

/** `user_version` of the file: the layout below. Raised with every change that an older Purlin
 *  cannot read. */
export const FORMAT_VERSION = 1

/** `application_id` of the file: the letters PURL. */
const APPLICATION_ID = 0x5055524c

/** The layout, version 1. `history` has one row a change; a value of NULL is a deletion. `setting`
 *  holds the counters `revision` and `compacted` (changes up to there are forgotten). */
const LAYOUT = `
  CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO setting VALUES ('revision', 0), ('compacted', 0);
  CREATE TABLE entry (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, createdRevision INTEGER NOT NULL,
    revision INTEGER NOT NULL, version INTEGER NOT NULL, lease TEXT) STRICT, WITHOUT ROWID;
  CREATE INDEX entryOfLease ON entry (lease) WHERE lease IS NOT NULL;
  CREATE TABLE history (
    revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, key TEXT NOT NULL, value TEXT,
    PRIMARY KEY (revision, ordinal)) STRICT, WITHOUT ROWID;
  CREATE TABLE lease (id TEXT PRIMARY KEY, ttlMs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${FORMAT_VERSION};
`

/** What a database file is: empty (new), or a store of the version this Purlin reads.
 *  Errors: PUR_STORE_NEWER, PUR_STORE_UNREADABLE. */
export function identify(database: DatabaseSync, doing: string, file: string): 'new' | 'ours' {
  const applicationId = pragma(database, 'application_id')
  const version = pragma(database, 'user_version')
  const tables = database.prepare('SELECT count(*) AS value FROM sqlite_schema').get()?.value
  if (applicationId === 0 && version === 0 && tables === 0) return 'new'
  if (applicationId !== APPLICATION_ID) {
    throw unreadable(doing, file, 'a SQLite database, but not one of Purlin')
  }
  if (version > FORMAT_VERSION) {
    throw new PurlinError('PUR_STORE_NEWER', {
      message: `${doing} ${file}: its format is ${version}, this Purlin reads up to ${FORMAT_VERSION}; install the newer Purlin again`,
      context: { file, version, readable: FORMAT_VERSION },
    })
  }
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
  if (verdict !== 'ok') throw unreadable(doing, file, `damaged (${String(verdict)})`)
  return 'ours'
}

/** Makes the tables of an empty database, all or nothing. */
export function createLayout(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE; ${LAYOUT} COMMIT;`)
}

function pragma(database: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name])
}
