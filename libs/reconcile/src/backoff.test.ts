import test from 'ava'
import fc from 'fast-check'
import { backoffMs } from './backoff.ts'

test('the wait doubles from 100 ms', (t) => {
  t.deepEqual(
    [1, 2, 3, 4].map((failures) => backoffMs(failures, 60_000)),
    [100, 200, 400, 800],
  )
})

test('the wait never shrinks and never passes its bound', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1e6 }), (n, max) => {
      t.true(backoffMs(n, max) <= max)
      t.true(backoffMs(n + 1, max) >= backoffMs(n, max))
    }),
  )
})
