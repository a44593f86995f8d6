import { createVirtualClock } from '@purlin/base'
import test from 'ava'
import { Arrivals, TAKE_UP_MS } from './arrivals.ts'

test('a port has come of late for a while after the last time that it came', async (t) => {
  const clock = createVirtualClock()
  const { signal } = new AbortController()
  let now: readonly string[] = []
  const arrivals = new Arrivals({ clock, signal }, (ports) => {
    now = [...ports].toSorted()
  })
  arrivals.note(['a.eth0', 'a.eth1'])
  t.deepEqual(now, ['a.eth0', 'a.eth1'])
  await clock.advance(TAKE_UP_MS - 1)
  arrivals.note(['a.eth0'])
  await clock.advance(1)
  t.deepEqual(now, ['a.eth0'])
  await clock.advance(TAKE_UP_MS)
  t.deepEqual(now, [])
})
