import test from 'ava'
import { queueDropsOf } from './counters.ts'
import { TrafficHistory } from './history.ts'

const sample = (atMs: number) => ({
  ...{ atMs, inboundBytes: atMs, outboundBytes: 0, inboundPackets: 1, outboundPackets: 0 },
  ...{ dropped: 0, errors: 0 },
})

test('a day of samples is kept, the last moments close together, and no more', (t) => {
  const history = new TrafficHistory()
  const dayMs = 24 * 3_600_000
  for (let atMs = 0; atMs <= 2 * dayMs; atMs += 10_000) history.add('port a', sample(atMs))
  const found = history.samples('port a')
  t.is(found.at(-1)?.atMs, 2 * dayMs)
  t.true((found[0]?.atMs ?? 0) >= dayMs - 300_000, 'nothing older than a day')
  t.true((found[0]?.atMs ?? 0) <= dayMs + 600_000, 'and a day whole')
  t.true(found.length <= 288 + 30)
  t.deepEqual(
    history.lastTwo('port a').map(({ atMs }) => atMs),
    [2 * dayMs - 10_000, 2 * dayMs],
  )
  t.true(
    found.every(({ atMs }, at) => at === 0 || atMs > (found[at - 1]?.atMs ?? 0)),
    'in the order of time',
  )
})

test('subjects have a bound, and one that is gone for a day makes room', (t) => {
  const history = new TrafficHistory()
  for (let index = 0; index < 5_000; index++) history.add(`port ${index}`, sample(0))
  t.is(history.samples('port 4095').length, 1)
  t.is(history.samples('port 4096').length, 0)
  history.add('port late', sample(25 * 3_600_000))
  t.is(history.samples('port late').length, 1)
})

test('drops of queues that hold a rate are read, others are not', (t) => {
  const rows = [
    { kind: 'htb', dev: 'pout-1', drops: 7 },
    { kind: 'noqueue', dev: 'pout-2', drops: 3 },
  ]
  t.deepEqual([...queueDropsOf(JSON.stringify(rows))], [['pout-1', 7]])
  t.is(queueDropsOf('').size, 0)
})
