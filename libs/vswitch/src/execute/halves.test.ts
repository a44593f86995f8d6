import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { inHalves } from './halves.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_none, index) => index)

test('members that fail alone fail, each with its own error, and the work is done for the others', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.uniqueArray(fc.nat({ max: 39 })),
      async (count, chosen) => {
        const members = numbers(count)
        const bad = new Set(chosen)
        const done = new Set<number>()
        const failed = await inHalves(members, async (some) => {
          for (const member of some) {
            if (bad.has(member))
              throw new PurlinError('PUR_OVS_REFUSED', { message: `no ${member}` })
            done.add(member)
          }
        })
        const found = [...failed].map(([member, { message }]) => `${member}: ${message}`)
        const expected = members.filter((one) => bad.has(one)).map((one) => `${one}: no ${one}`)
        t.deepEqual(found, expected)
        t.deepEqual(
          [...done].toSorted((a, b) => a - b),
          members.filter((one) => !bad.has(one)),
        )
      },
    ),
  )
})

test('what all would fail alike is tried once', async (t) => {
  const late = new PurlinError('PUR_EXEC_TIMEOUT', { message: 'ip did not end' })
  for (const error of [
    new PurlinError('PUR_OVS_UNREACHABLE', { message: 'the database is gone' }),
    new PurlinError('PUR_CANCELLED', { message: 'given up' }),
    new PurlinError('PUR_LINK_FAILED', { message: 'plug', cause: late }),
  ]) {
    let calls = 0
    const failed = await inHalves(numbers(8), async () => {
      calls += 1
      throw error
    })
    t.is(calls, 1, error.code)
    t.deepEqual([...failed.values()], Array(8).fill(error))
  }
})
