import { checkDocument, type SpecOf } from '@purlin/schema'
import test from 'ava'
import type { DiskStatus, PoolStatus } from '../control/messages.ts'
import type { PoolDesired } from '../desired.ts'
import { type DisksSeen, diskSteps, withDisksThere } from './disks.ts'

const pool = (disks: readonly object[], more: object = {}) => {
  const spec = { redundancy: { replicas: 2 }, disks, ...more }
  const { manifest } = checkDocument({ kind: 'StoragePool', name: 'p', spec })
  return { name: 'p', spec: manifest?.spec as SpecOf<'StoragePool'> }
}
const file = (name: string, more: object = {}) => ({
  name,
  server: 's',
  path: `/d/${name}`,
  ...more,
})
const seen = (name: string, state: DiskStatus['state'] = 'online', disk = 0): DiskStatus => ({
  ...{ disk, name, domains: ['s'], state, sizeBytes: 1, usedBytes: 0, errors: 0 },
})
const noBytes = { server: 0, rack: 0, room: 0, across: 0 }
type Rebalance = 'idle' | 'running' | 'paused' | 'held'
const status = (disks: DiskStatus[], rebalance: Rebalance = 'idle'): PoolStatus => ({
  name: 'p',
  state: { phase: 'running' },
  engine: {
    policy: 'replicas 2',
    disks,
    volumes: [],
    ...{ provisionedBytes: 0, logUsedBytes: 0, logBytes: 0, shortStripes: 0 },
    ...{ repairedChunks: 0, memoryBytes: 0 },
    moving: {
      rebalance,
      movedBytes: noBytes,
      leastBytes: noBytes,
      ...{ rebuiltBytes: 0, rewrittenBytes: 0, plannedBytes: 0 },
    },
  },
})
const nothing = { configuration: '', found: new Set<string>(), strangers: new Set<string>() }
const calls = (desired: PoolDesired, pool: PoolStatus, seen: Partial<DisksSeen> = {}): unknown[] =>
  diskSteps(desired, pool, { ...nothing, ...seen }).map((step) => {
    if (step.kind === 'return') return ['return', step.disk]
    return step.kind === 'call' && [step.call, step.words]
  })

test('disks that a pool lacks come together, those that nobody wants go one after the other', (t) => {
  const two = pool([file('a'), file('b')])
  t.deepEqual(calls(two, status([seen('a'), seen('b')])), [])
  const four = pool([file('a'), file('b'), file('c'), file('d')])
  t.deepEqual(calls(four, status([seen('a'), seen('b')])), [
    ['disk-add', { pool: 'p', disks: ['c', 'd'] }],
  ])
  t.deepEqual(calls(two, status([seen('a'), seen('b'), seen('c')])), [
    ['disk-remove', { pool: 'p', disk: 'c', wait: false }],
  ])
  t.deepEqual(calls(two, status([seen('a'), seen('b'), seen('c', 'leaving'), seen('d')])), [])
  t.deepEqual(calls(two, status([])), [], 'a daemon that tells no disks is left alone')
})

test('a disk is replaced by one call, by its number where it is missing', (t) => {
  const by = pool([file('a'), file('n', { replaces: 'b' })])
  const replace = (disk: string | number) => [
    ['disk-replace', { pool: 'p', disk, by: 'n', wait: false }],
  ]
  t.deepEqual(calls(by, status([seen('a'), seen('b')])), replace('b'))
  t.deepEqual(calls(by, status([seen('a'), seen('missing', 'missing', 1)])), replace(1))
  t.deepEqual(calls(by, status([seen('a'), seen('b', 'leaving'), seen('n')])), [])
  t.deepEqual(calls(by, status([seen('a'), seen('n')])), [])
})

test('maintenance, evacuation and a pause are begun and ended as the resource says', (t) => {
  const of = (use: object, state: DiskStatus['state']) =>
    calls(pool([file('a'), file('b', use)]), status([seen('a'), seen('b', state)]))
  const maintain = (on: boolean) => [['disk-maintenance', { pool: 'p', disk: 'b', on }]]
  const evacuate = (on: boolean) => [['disk-evacuate', { pool: 'p', disk: 'b', on, wait: false }]]
  t.deepEqual(of({ use: 'maintenance' }, 'online'), maintain(true))
  t.deepEqual(of({ use: 'maintenance' }, 'maintenance'), [])
  t.deepEqual(of({}, 'maintenance'), maintain(false))
  t.deepEqual(of({ use: 'evacuated' }, 'online'), evacuate(true))
  t.deepEqual(of({ use: 'evacuated' }, 'leaving'), [])
  t.deepEqual(of({}, 'leaving'), evacuate(false))
  t.deepEqual(of({}, 'missing'), [])
  const held = pool([file('a')], { rebalance: 'paused' })
  const pause = (on: boolean) => [['pool-rebalance-pause', { pool: 'p', on }]]
  t.deepEqual(calls(held, status([seen('a')], 'running')), pause(true))
  t.deepEqual(calls(held, status([seen('a')], 'paused')), [])
  t.deepEqual(calls(pool([file('a')]), status([seen('a')], 'held')), pause(false))
})

test('the daemon’s file names a disk until the pool has let it go', (t) => {
  const configuration = JSON.stringify({
    kind: 'StoragePool',
    name: 'p',
    spec: { disks: [file('a'), file('b')] },
  })
  const names = (found: PoolStatus | undefined) =>
    withDisksThere(pool([file('a')]), found, configuration).spec.disks.map(({ name }) => name)
  t.deepEqual(names(status([seen('a'), seen('b', 'leaving')])), ['a', 'b'])
  t.deepEqual(names(undefined), ['a', 'b'])
  t.deepEqual(names(status([seen('a')])), ['a'])
})

test('a disk that was away when its pool was opened is used again once it can be found', (t) => {
  const two = pool([file('a'), file('b', { replaces: 'x' })])
  const open = { clients: {}, movedBytes: { a: {} } }
  const away = { ...status([seen('a'), seen('b', 'missing', 1)]), reactor: open }
  const found = new Set(['/d/b'])
  t.deepEqual(calls(two, away), [], 'until then it is waited for')
  t.deepEqual(calls(two, away, { found }), [['return', 'b']])
  const failed = { ...away, reactor: { clients: {}, movedBytes: { a: {}, b: {} } } }
  t.deepEqual(calls(two, failed, { found }), [], 'one that failed in use is not used again')
  const whole = { ...status([seen('a'), seen('b')]), reactor: open }
  t.deepEqual(calls(two, whole, { found }), [])
})

test('where a pool does not know how a missing disk was called, what can be found is looked at', (t) => {
  const two = pool([file('a'), file('b')])
  const lacking = status([seen('a'), seen('missing', 'missing', 1)])
  t.deepEqual(calls(two, lacking), [])
  const found = new Set(['/d/b'])
  t.deepEqual(calls(two, lacking, { found }), [['return', 'b']])
  t.deepEqual(calls(two, lacking, { found, strangers: found }), [
    ['disk-add', { pool: 'p', disks: ['b'] }],
  ])
  t.deepEqual(calls(two, status([seen('a'), seen('b')]), { found }), [])
})

test('disks come anew while others are missed: strangers together, and files yet to be made', (t) => {
  const four = pool([file('a'), file('b', { sizeGiB: 1 }), file('c'), file('d', { sizeGiB: 1 })])
  const lacking = status([seen('a'), seen('missing', 'missing', 1)])
  const configuration = JSON.stringify({
    kind: 'StoragePool',
    name: 'p',
    spec: { disks: [file('a'), file('b'), file('c'), file('d', { sizeGiB: 1 })] },
  })
  t.deepEqual(calls(four, lacking, { configuration }), [['disk-add', { pool: 'p', disks: ['d'] }]])
  const found = new Set(['/d/b', '/d/c'])
  t.deepEqual(calls(four, lacking, { configuration, found, strangers: new Set(['/d/c']) }), [
    ['return', 'b'],
    ['disk-add', { pool: 'p', disks: ['c', 'd'] }],
  ])
})

test('no new process of the daemon makes a disk anew that was made before', (t) => {
  const two = pool([file('a', { sizeGiB: 1 }), file('b', { sizeGiB: 1 })])
  const sizes = (found: PoolStatus | undefined, configuration: string) =>
    withDisksThere(two, found, configuration).spec.disks.map(({ sizeGiB }) => sizeGiB)
  const text = (...disks: object[]) =>
    JSON.stringify({ kind: 'StoragePool', name: 'p', spec: { disks } })
  const asked = text(file('a', { sizeGiB: 1 }), file('b', { sizeGiB: 1 }))
  t.deepEqual(sizes(undefined, ''), [1, 1])
  t.deepEqual(sizes(undefined, asked), [1, 1])
  t.deepEqual(sizes(status([seen('a')]), asked), [undefined, 1], 'b is yet to be added')
  const made = text(file('a'), file('b'))
  t.deepEqual(sizes(status([seen('a'), seen('b')]), asked), [undefined, undefined])
  t.deepEqual(sizes(undefined, made), [undefined, undefined])
  const lacking = status([seen('a'), seen('missing', 'missing', 1)])
  t.deepEqual(sizes(lacking, made), [undefined, undefined])
})
