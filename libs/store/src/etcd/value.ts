import { randomBytes } from 'node:crypto'
import type { StoreChange, StoreEntry } from '../store.ts'
import { decode, encode, type KeyValue, numberOf } from './gateway.ts'

/** Between a value and the name of the transaction that wrote it. JSON on one line has none. */
const SEPARATOR = '\n'

/** A name for a transaction that no other has. It stands behind each value that it puts, so that
 *  after a lost answer it can be told whether it was made. */
export function newTransactionName(): string {
  return randomBytes(12).toString('base64url')
}

/** The bytes of a value. Pure. */
export function valueBytes(text: string, transaction: string): string {
  return encode(`${text}${SEPARATOR}${transaction}`)
}

/** The transaction that wrote the value. Pure. */
export function writerOf({ value }: KeyValue): string {
  const text = decode(value)
  return text.slice(text.lastIndexOf(SEPARATOR) + 1)
}

/** The entry of a key below `root`. Pure. */
export function entryOf(root: string, found: KeyValue): StoreEntry {
  return {
    key: decode(found.key).slice(root.length),
    value: parsedValue(found),
    revision: numberOf(found.mod_revision),
    createdRevision: numberOf(found.create_revision),
    version: numberOf(found.version),
  }
}

/** What a watcher is told of one event. Pure. */
export function changeOf(
  root: string,
  { type, kv }: { readonly type?: 'DELETE'; readonly kv: KeyValue },
): StoreChange {
  const change = { key: decode(kv.key).slice(root.length), revision: numberOf(kv.mod_revision) }
  return type === 'DELETE'
    ? { type: 'delete', ...change }
    : { type: 'put', ...change, value: parsedValue(kv) }
}

function parsedValue({ value }: KeyValue): unknown {
  const text = decode(value)
  return JSON.parse(text.slice(0, text.lastIndexOf(SEPARATOR)))
}
