import { open, rename, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import type { StoreEntry } from '../store.ts'
import { storeFailure } from './failure.ts'
import { createLayout } from './format.ts'
import { prepareTables } from './tables.ts'

/** Writes entries as a state file, mode 0600, whole or not at all: a backup of a store that is no
 *  file itself. It restores as any other backup, and a single host can go on with it. Errors:
 *  PUR_STORE_FULL, PUR_STORE_FAILED. */
export async function makeStateFile(
  file: string,
  entries: readonly StoreEntry[],
  revision: number,
): Promise<void> {
  const partial = `${file}.partial`
  try {
    await rm(partial, { force: true })
    await (await open(partial, 'wx', 0o600)).close()
    fill(partial, entries, revision)
    const written = await open(partial, 'r+')
    try {
      await written.sync()
    } finally {
      await written.close()
    }
    await rename(partial, file)
  } catch (thrown) {
    await rm(partial, { force: true })
    await rm(`${partial}-journal`, { force: true })
    throw storeFailure('back up to', file, thrown)
  }
}

function fill(file: string, entries: readonly StoreEntry[], revision: number): void {
  const database = new DatabaseSync(file)
  try {
    createLayout(database)
    const tables = prepareTables(database)
    database.exec('BEGIN IMMEDIATE')
    for (const { value, ...entry } of entries) tables.put(entry, JSON.stringify(value), undefined)
    tables.set('revision', revision)
    tables.set('compacted', revision)
    database.exec('COMMIT')
  } finally {
    database.close()
  }
}
