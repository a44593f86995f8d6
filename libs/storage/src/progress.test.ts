import test from 'ava'
import type { PoolStatus } from './control/messages.ts'
import { progressOf } from './progress.ts'

const pool = (more: object): PoolStatus => ({
  name: 'fast',
  state: { phase: 'running' },
  engine: {
    ...{ policy: 'replicas 2', disks: [], volumes: [], provisionedBytes: 0, logUsedBytes: 0 },
    ...{ logBytes: 0, shortStripes: 0, repairedChunks: 0, memoryBytes: 0, ...more },
  },
})
const scrub = (walkedBytes: number, paused = false) => ({
  scrub: {
    ...{ deep: true, paused, walkedBytes, plannedBytes: 1_000 },
    found: { pages: 1, stripes: 1, repaired: 0, lost: 0 },
  },
})
const moving = (rebuiltBytes: number) => ({
  moving: {
    ...{ rebalance: 'running', rebuiltBytes, rewrittenBytes: 0, plannedBytes: 1_000 },
    movedBytes: { server: 100, rack: 0, room: 0, across: 0 },
    leastBytes: { server: 0, rack: 0, room: 0, across: 0 },
  },
})

test('a pool is seen anew with each percent of a scrub and of what moves, and when one is held', (t) => {
  t.is(progressOf(pool({})), 'running')
  t.is(progressOf(pool({ scrub: null })), 'running')
  t.is(progressOf(pool(scrub(371))), progressOf(pool(scrub(379))))
  t.not(progressOf(pool(scrub(371))), progressOf(pool(scrub(380))))
  t.not(progressOf(pool(scrub(371))), progressOf(pool(scrub(371, true))))
  t.is(progressOf(pool({ ...scrub(371), ...moving(150) })), 'running scrub running 37 running 25')
  t.is(progressOf({ name: 'fast', state: { phase: 'failed' } }), 'failed')
})
