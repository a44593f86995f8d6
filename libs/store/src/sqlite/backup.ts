import { open, rename, rm } from 'node:fs/promises'
import { backup, DatabaseSync } from 'node:sqlite'
import type { StoreEntry } from '../store.ts'
import { storeFailure, unreadable } from './failure.ts'
import { identify } from './format.ts'
import { prepareTables } from './tables.ts'

/** Copies a database to `file` as one file without a log beside it: made under another name,
 *  brought to disk, then renamed. Errors: PUR_STORE_FULL, PUR_STORE_FAILED,
 *  PUR_STORE_UNREADABLE. */
export async function writeBackup(database: DatabaseSync, file: string): Promise<void> {
  const partial = `${file}.partial`
  try {
    await removeCopy(partial)
    const created = await open(partial, 'wx', 0o600)
    await created.close()
    await backup(database, partial)
    withoutLog(partial)
    const written = await open(partial, 'r+')
    try {
      await written.sync()
    } finally {
      await written.close()
    }
    await rename(partial, file)
  } catch (thrown) {
    await removeCopy(partial)
    throw storeFailure('back up to', file, thrown)
  }
}

/** The entries of a backup file, by key, after checking that it is a whole store of a version this
 *  Purlin reads. Errors: PUR_STORE_UNREADABLE, PUR_STORE_NEWER. */
export async function readBackup(file: string): Promise<readonly StoreEntry[]> {
  const doing = 'read the backup'
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true })
    if (identify(database, doing, file) === 'new') throw unreadable(doing, file, 'empty')
    return prepareTables(database).entries('')
  } catch (thrown) {
    throw storeFailure(doing, file, thrown)
  } finally {
    database?.close()
  }
}

/** A copy of a database with a write-ahead log wants one too, and cannot be read where nothing may
 *  be written. */
function withoutLog(file: string): void {
  const copy = new DatabaseSync(file)
  try {
    copy.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE;')
  } finally {
    copy.close()
  }
}

async function removeCopy(partial: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    await rm(`${partial}${suffix}`, { force: true })
  }
}
