import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { StoreChange, StoreEntry } from '../store.ts'

/** A row of `history` as watchers read it. */
type Row = Record<string, SQLOutputValue>

/** The statements of the store, prepared once. Keys are ASCII, so a prefix ends before `prefix +
 *  DEL`. */
export interface Tables {
  entry(key: string): StoreEntry | undefined
  entries(prefix: string): readonly StoreEntry[]
  keysOfLease(lease: string): readonly string[]
  put(entry: Omit<StoreEntry, 'value'>, text: string, lease: string | undefined): void
  delete(key: string): void
  remember(revision: number, ordinal: number, key: string, text: string | null): void
  forget(upToRevision: number): void
  changes(prefix: string, afterRevision: number, toRevision: number): readonly StoreChange[]
  setting(name: 'revision' | 'compacted'): number
  set(name: 'revision' | 'compacted', value: number): void
  leases(): readonly { readonly id: string; readonly ttlMs: number }[]
  addLease(id: string, ttlMs: number): void
  dropLease(id: string): void
}

const PREFIX_END = '\x7f'

/** Prepares the statements on an opened store. */
export function prepareTables(database: DatabaseSync): Tables {
  const columns = 'key, value, createdRevision, revision, version'
  const one = database.prepare(`SELECT ${columns} FROM entry WHERE key = ?`)
  const many = database.prepare(
    `SELECT ${columns} FROM entry WHERE key >= ? AND key < ? ORDER BY key`,
  )
  const ofLease = database.prepare('SELECT key FROM entry WHERE lease = ? ORDER BY key')
  const put = database.prepare(
    'INSERT OR REPLACE INTO entry (key, value, createdRevision, revision, version, lease) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const remove = database.prepare('DELETE FROM entry WHERE key = ?')
  const remember = database.prepare('INSERT INTO history VALUES (?, ?, ?, ?)')
  const forget = database.prepare('DELETE FROM history WHERE revision <= ?')
  const changes = database.prepare(
    'SELECT revision, key, value FROM history WHERE revision > ? AND revision <= ? AND key >= ? AND key < ? ORDER BY revision, ordinal',
  )
  const setting = database.prepare('SELECT value FROM setting WHERE name = ?')
  const set = database.prepare('UPDATE setting SET value = ? WHERE name = ?')
  const leases = database.prepare('SELECT id, ttlMs FROM lease')
  const addLease = database.prepare('INSERT INTO lease VALUES (?, ?)')
  const dropLease = database.prepare('DELETE FROM lease WHERE id = ?')
  return {
    entry: (key) => {
      const row = one.get(key)
      return row && entryOf(row)
    },
    entries: (prefix) => many.all(prefix, prefix + PREFIX_END).map(entryOf),
    keysOfLease: (lease) => ofLease.all(lease).map((row) => String(row.key)),
    put: ({ key, createdRevision, revision, version }, text, lease) => {
      put.run(key, text, createdRevision, revision, version, lease ?? null)
    },
    delete: (key) => {
      remove.run(key)
    },
    remember: (revision, ordinal, key, text) => {
      remember.run(revision, ordinal, key, text)
    },
    forget: (upToRevision) => {
      forget.run(upToRevision)
    },
    changes: (prefix, afterRevision, toRevision) =>
      changes.all(afterRevision, toRevision, prefix, prefix + PREFIX_END).map(changeOf),
    setting: (name) => Number(setting.get(name)?.value),
    set: (name, value) => {
      set.run(value, name)
    },
    leases: () => leases.all().map((row) => ({ id: String(row.id), ttlMs: Number(row.ttlMs) })),
    addLease: (id, ttlMs) => {
      addLease.run(id, ttlMs)
    },
    dropLease: (id) => {
      dropLease.run(id)
    },
  }
}

function entryOf(row: Row): StoreEntry {
  return {
    key: String(row.key),
    value: JSON.parse(String(row.value)),
    revision: Number(row.revision),
    createdRevision: Number(row.createdRevision),
    version: Number(row.version),
  }
}

function changeOf(row: Row): StoreChange {
  const change = { key: String(row.key), revision: Number(row.revision) }
  if (row.value === null) return { type: 'delete', ...change }
  return { type: 'put', ...change, value: JSON.parse(String(row.value)) }
}
