import { PurlinError } from '@purlin/base'
import type { Transaction } from './store.ts'

const KEY = /^[\x21-\x7e]{1,512}$/
/** etcd's default limit of a request is 1.5 MiB; one value stays well below it. */
const VALUE_LIMIT_BYTES = 1024 * 1024

/** A write whose key is checked and whose value is text: what an engine stores. */
export type CheckedWrite =
  | { readonly type: 'put'; readonly key: string; readonly text: string; readonly lease?: string }
  | { readonly type: 'delete'; readonly key: string }

/** The writes of a transaction as an engine stores them. Pure. Errors: PUR_INVALID for a key that
 *  is none, a key named twice, a value that is no JSON or too large. */
export function checkWrites(transaction: Transaction): readonly CheckedWrite[] {
  const seen = new Set<string>()
  return transaction.writes.map((write): CheckedWrite => {
    const key = 'put' in write ? write.put : write.delete
    checkKey(key)
    if (seen.has(key)) throw invalid(`transaction: the key ${key} is written twice; write it once`)
    seen.add(key)
    if (!('put' in write)) return { type: 'delete', key }
    const text = JSON.stringify(write.value) as string | undefined
    if (text === undefined) throw invalid(`put ${key}: the value is no JSON`)
    const sizeBytes = Buffer.byteLength(text)
    if (sizeBytes > VALUE_LIMIT_BYTES) {
      throw invalid(
        `put ${key}: the value has ${sizeBytes} bytes as JSON, at most ${VALUE_LIMIT_BYTES} are kept`,
      )
    }
    return { type: 'put', key, text, ...(write.lease !== undefined && { lease: write.lease }) }
  })
}

function checkKey(key: string): void {
  if (KEY.test(key)) return
  throw invalid(
    `key ${JSON.stringify(key.slice(0, 80))}: must be 1 to 512 printable ASCII characters without spaces`,
  )
}

function invalid(message: string): PurlinError {
  return new PurlinError('PUR_INVALID', { message })
}
