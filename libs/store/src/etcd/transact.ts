import { PurlinError } from '@purlin/base'
import { type CheckedWrite, checkWrites } from '../limits.ts'
import type { Guard, Transaction } from '../store.ts'
import type { Cluster } from './cluster.ts'
import { MemberFailure, storeError } from './failure.ts'
import {
  type Compare,
  encode,
  numberOf,
  paths,
  type RangeAnswer,
  type RequestOp,
  type TxnAnswer,
  type TxnRequest,
} from './gateway.ts'
import { newTransactionName, valueBytes, writerOf } from './value.ts'

/** etcd's default `--max-txn-ops`. It bounds each list of a transaction, and what a transaction
 *  inside another one may hold is what the lists around it have left. */
const OPERATIONS = 128
const GUARDS_LIMIT = OPERATIONS / 2
/** Of so many written keys is asked whether a transaction was made. */
const PROBED_KEYS = 64

/** Makes a transaction, once, also where answers are lost on their way: each value carries the
 *  transaction's own name, by which a later try finds that an earlier one was made. */
export async function transact(
  cluster: Cluster,
  root: string,
  transaction: Transaction,
  alsoIf: readonly Compare[] = [],
): Promise<{ readonly revision: number }> {
  const writes = checkWrites(transaction)
  const guards = transaction.guards ?? []
  const name = newTransactionName()
  const doing = titleOf(writes)
  const request = requestOf(root, name, guards, writes, alsoIf)
  try {
    const { answer, uncertain } = await cluster.call(doing, paths.txn, request)
    const { header, succeeded, responses = [] } = answer as TxnAnswer
    if (succeeded === true) return { revision: numberOf(header.revision) }
    const made = uncertain ? await revisionOf(cluster, root, name, writes) : undefined
    if (made !== undefined) return { revision: made }
    throw conflict(guards, responses)
  } catch (thrown) {
    throw thrown instanceof MemberFailure ? storeError(doing, thrown) : thrown
  }
}

/** The request of a transaction. Pure. Errors: PUR_STORE_TOO_LARGE. */
export function requestOf(
  root: string,
  name: string,
  guards: readonly Guard[],
  writes: readonly CheckedWrite[],
  alsoIf: readonly Compare[],
): TxnRequest {
  if (guards.length > GUARDS_LIMIT) {
    throw new PurlinError('PUR_STORE_TOO_LARGE', {
      message: `a transaction with ${guards.length} guards: etcd takes ${GUARDS_LIMIT} beside its writes; nothing was changed`,
    })
  }
  const operations = writes.map((write) => operationOf(root, name, write))
  return {
    compare: [
      ...alsoIf,
      ...guards.map(({ key, revision }) => ({
        target: 'MOD' as const,
        result: 'EQUAL' as const,
        key: encode(root + key),
        mod_revision: String(revision),
      })),
    ],
    success: nested(operations, OPERATIONS),
    failure: guards.map(({ key }) => ({
      request_range: { key: encode(root + key), keys_only: true },
    })),
  }
}

/** The operations as a list of at most half of `room`, those that do not fit inside transactions
 *  of their own. Pure. Errors: PUR_STORE_TOO_LARGE. */
function nested(operations: readonly RequestOp[], room: number): readonly RequestOp[] {
  if (operations.length <= room) return operations
  const width = Math.floor(room / 2)
  if (width < 2) {
    throw new PurlinError('PUR_STORE_TOO_LARGE', {
      message: 'a transaction of more writes than etcd takes at once; nothing was changed',
    })
  }
  const share = Math.ceil(operations.length / width)
  return Array.from({ length: Math.ceil(operations.length / share) }, (_, index) => ({
    request_txn: {
      success: nested(operations.slice(index * share, (index + 1) * share), room - width),
    },
  }))
}

function operationOf(root: string, name: string, write: CheckedWrite): RequestOp {
  const key = encode(root + write.key)
  if (write.type === 'delete') return { request_delete_range: { key } }
  const value = valueBytes(write.text, name)
  const lease = write.lease === undefined ? {} : { lease: leaseNumber(write.lease) }
  return { request_put: { key, value, ...lease } }
}

/** The revision at which a transaction of this name was made, if any of its values still stands. */
async function revisionOf(
  cluster: Cluster,
  root: string,
  name: string,
  writes: readonly CheckedWrite[],
): Promise<number | undefined> {
  const puts = writes.filter(({ type }) => type === 'put').slice(0, PROBED_KEYS)
  if (puts.length === 0) return undefined
  const ranges = puts.map(({ key }) => ({ request_range: { key: encode(root + key) } }))
  const request: TxnRequest = { compare: [], success: ranges, failure: [] }
  const answer = await cluster.ask('look for a transaction', paths.txn, request)
  const found = ((answer as TxnAnswer).responses ?? [])
    .flatMap(({ response_range: range }) => range?.kvs ?? [])
    .find((one) => writerOf(one) === name)
  return found && numberOf(found.mod_revision)
}

function conflict(guards: readonly Guard[], responses: TxnAnswer['responses']): PurlinError {
  const found = (responses ?? []).map(({ response_range: range }) => revisionIn(range))
  const index = guards.findIndex(({ revision }, at) => found[at] !== revision)
  const { key = '', revision: expected = 0 } = guards[index] ?? {}
  const standing = found[index] ?? 0
  const state = standing === 0 ? 'does not exist' : `has revision ${standing}`
  const wanted = expected === 0 ? 'it should not exist' : `revision ${expected} was expected`
  return new PurlinError('PUR_STORE_CONFLICT', {
    message: `write to ${key}: it ${state}, ${wanted}; read it again and decide anew`,
    context: { key, expected, found: standing },
  })
}

function revisionIn(range: RangeAnswer | undefined): number {
  return numberOf(range?.kvs?.[0]?.mod_revision)
}

/** Leases are numbers of 64 bits; what is none was never granted. */
export function leaseNumber(id: string): string {
  if (/^[1-9]\d{0,18}$/.test(id)) return id
  throw new PurlinError('PUR_STORE_LEASE_GONE', {
    message: `lease ${id.slice(0, 40)}: was never granted; ask for a new one`,
    context: { lease: id.slice(0, 40) },
  })
}

function titleOf(writes: readonly CheckedWrite[]): string {
  const [first] = writes
  const more = writes.length > 1 ? ` and ${writes.length - 1} more` : ''
  return first === undefined ? 'write nothing' : `write ${first.key}${more}`
}
