import { createVirtualClock } from '@purlin/base'
import test from 'ava'
import { OnceInAWhile } from './once-in-a-while.ts'

test('the same passes once in an interval, and a flood of others takes no memory', async (t) => {
  const clock = createVirtualClock()
  const gate = new OnceInAWhile(1_000, clock)
  t.true(gate.passes('a'))
  t.false(gate.passes('a'))
  t.true(gate.passes('b'))
  await clock.advance(1_000)
  t.true(gate.passes('a'))
  for (let index = 0; index < 5_000; index++) gate.passes(`flood ${index}`)
  // What was told longest ago was given up for them.
  t.true(gate.passes('a'))
  t.false(gate.passes('flood 4999'))
})
