import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import type { CheckedWrite } from '../limits.ts'
import type { RequestOp } from './gateway.ts'
import { decode } from './gateway.ts'
import { requestOf } from './transact.ts'

const LIMIT = 128

function deletes(count: number): readonly CheckedWrite[] {
  return Array.from({ length: count }, (_, n) => ({ type: 'delete', key: `/k/${n}` }))
}

/** As etcd checks a transaction (checkTxnRequest): each list is bounded by what the lists around it
 *  have left. Answers the keys in the order in which they are written. */
function keysOf(operations: readonly RequestOp[], room: number): readonly string[] {
  if (operations.length > room) throw new Error(`${operations.length} operations, room for ${room}`)
  return operations.flatMap((operation) => {
    if ('request_txn' in operation) {
      return keysOf(operation.request_txn.success, room - operations.length)
    }
    return 'request_delete_range' in operation ? [decode(operation.request_delete_range.key)] : []
  })
}

test('any number of writes fits etcd’s limit of operations, each once and in order', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20_000 }), (count) => {
      const { success } = requestOf('/r', 'name', [], deletes(count), [])
      const expected = Array.from({ length: count }, (_, n) => `/r/k/${n}`)
      t.deepEqual(keysOf(success, LIMIT), expected)
    }),
    { numRuns: 60, examples: [[128], [129], [4_096], [4_097]] },
  )
})

test('guards leave their half of the limit to writes; more of them are refused', (t) => {
  const guards = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ key: `/g/${n}`, revision: n }))
  const { compare, success, failure } = requestOf('/r', 'name', guards(64), deletes(3_000), [])
  t.is(compare.length, 64)
  t.is(failure.length, 64)
  t.is(keysOf(success, LIMIT).length, 3_000)
  const error = t.throws(() => requestOf('/r', 'name', guards(65), [], []), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_STORE_TOO_LARGE')
})
