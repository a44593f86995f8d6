import { fact } from '@purlin/base'
import { checkDocument, type SpecOf } from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { ModelDaemon } from '../../tests/model-daemon.ts'
import { NO_STORAGE, type StorageDesired } from '../desired.ts'
import { DAEMON_ANSWERS, storageFacts } from '../observed.ts'
import { planStorage } from './plan.ts'

const poolSpec = (redundancy: object): SpecOf<'StoragePool'> => {
  const disks = ['a', 'b', 'c'].map((name) => ({ name, server: name, path: `/d/${name}` }))
  const checked = checkDocument({ kind: 'StoragePool', name: 'p', spec: { redundancy, disks } })
  return checked.manifest?.spec as SpecOf<'StoragePool'>
}
const pool = (name: string, redundancy: object = { replicas: 3 }) => ({
  name,
  spec: poolSpec(redundancy),
})
const volume = (name: string, pool = 'fast', more: object = {}) => ({
  ...{ name, pool, sizeBytes: 8192, attached: false, limits: {} },
  ...more,
})
const clone = (name: string, snapshot: string, pool = 'fast', linked = true) => ({
  ...{ name, pool, attached: false, limits: {} },
  source: { snapshot, linked },
})
const storage = (more: Partial<StorageDesired>): StorageDesired => ({ ...NO_STORAGE, ...more })

/** Plans and executes until nothing is left; the summaries of all that was done. */
function settle(daemon: ModelDaemon, desired: StorageDesired): string[] {
  const done: string[] = []
  for (let round = 0; round < 8; round++) {
    const steps = planStorage(desired, daemon.observe())
    if (steps.length === 0) return done
    for (const step of steps) {
      daemon.execute(step)
      done.push(step.summary)
    }
  }
  throw new Error(`it does not settle: ${done.join('; ')}`)
}

test('pools come first, sources before their clones, and everything goes in the order back', (t) => {
  const daemon = new ModelDaemon()
  const desired = storage({
    pools: [pool('bulk', { erasure: '2+1' }), pool('fast')],
    volumes: [
      clone('c', 'monday', 'bulk'),
      clone('b', 'monday', 'fast', false),
      volume('a', 'bulk', { limits: { iops: 7 } }),
    ],
    snapshots: [{ name: 'monday', volume: 'a' }],
  })
  t.deepEqual(settle(daemon, desired), [
    'serve pools bulk, fast by a new process of the block daemon',
    'make volume a of 8192 bytes in pool bulk',
    'take snapshot monday of volume a',
    'make volume c in pool bulk as linked clone of monday',
    'make volume b in pool fast as independent clone of monday',
    'limit volume c',
    'limit volume b',
  ])
  t.deepEqual(settle(daemon, NO_STORAGE), [
    'delete volume c',
    'delete snapshot monday',
    'delete volume a',
    'delete volume b',
    'serve pools none by a new process of the block daemon',
  ])
})

test('the mode of a pool’s cache changes in use, by one call', (t) => {
  const daemon = new ModelDaemon()
  const cached = (mode: 'writethrough' | 'writeback') => {
    const { name, spec } = pool('fast')
    const cache = { devices: [{ name: 'ssd', path: '/d/ssd' }], mode }
    return storage({ pools: [{ name, spec: { ...spec, cache } }] })
  }
  settle(daemon, cached('writethrough'))
  t.deepEqual(settle(daemon, cached('writeback')), [
    'write the configuration of the block daemon',
    'switch the cache of pool fast to writeback',
  ])
  t.deepEqual(settle(daemon, cached('writeback')), [])
})

test('size, limits, redundancy and recovery change in use; nothing shrinks', (t) => {
  const daemon = new ModelDaemon()
  settle(daemon, storage({ pools: [pool('fast')], volumes: [volume('a')] }))
  const { spec } = pool('fast', { replicas: 2 })
  const faster = { name: 'fast', spec: { ...spec, recovery: { speed: 'high' as const } } }
  const changed = volume('a', 'fast', { sizeBytes: 16384, limits: { iops: 9 } })
  t.deepEqual(settle(daemon, storage({ pools: [faster], volumes: [changed] })), [
    'change pool fast from replicas 3 to replicas 2',
    'let pool fast recover at high',
    'write the configuration of the block daemon',
    'grow volume a from 8192 to 16384 bytes',
    'limit volume a',
  ])
  const smaller = volume('a', 'fast', { limits: { iops: 9 } })
  t.deepEqual(settle(daemon, storage({ pools: [faster], volumes: [smaller] })), [])
})

test('a linked clone that is to have no source is flattened before its snapshot goes', (t) => {
  const daemon = new ModelDaemon()
  const pools = [pool('fast')]
  const taken = storage({
    ...{ pools, volumes: [volume('a'), clone('c', 'monday')] },
    snapshots: [{ name: 'monday', volume: 'a' }],
  })
  settle(daemon, taken)
  const alone = storage({ pools, volumes: [volume('a'), volume('c')] })
  t.deepEqual(settle(daemon, alone), [
    'let volume c share no blocks with monday any more',
    'delete snapshot monday',
  ])
})

test('a copy that runs is left alone, snapshots wait for it, and one that was cut off is begun again', (t) => {
  const daemon = new ModelDaemon()
  const pools = [pool('fast'), pool('bulk')]
  const sources = { volumes: [volume('a')], snapshots: [{ name: 'monday', volume: 'a' }] }
  settle(daemon, storage({ pools, ...sources }))
  const wanted = storage({
    ...{ pools, volumes: [...sources.volumes, clone('c', 'monday', 'bulk', false)] },
    snapshots: [...sources.snapshots, { name: 'tuesday', volume: 'c' }],
  })
  const [step] = planStorage(wanted, daemon.observe())
  t.like(step, { call: 'volume-clone', words: { name: 'c', wait: false } })
  daemon.part('bulk', 'c', { copiedBytes: 1, totalBytes: 4096 })
  t.deepEqual(planStorage(wanted, daemon.observe()), [])
  const cutOff = new ModelDaemon()
  settle(cutOff, storage({ pools, ...sources }))
  cutOff.part('bulk', 'c')
  const again = planStorage(wanted, cutOff.observe()).map(({ summary }) => summary)
  t.deepEqual(again, ['make volume c in pool bulk as independent clone of monday'])
})

test('a volume that grows under a machine has its clients connect again, any other has not', (t) => {
  for (const attached of [true, false]) {
    const daemon = new ModelDaemon()
    settle(daemon, storage({ pools: [pool('fast')], volumes: [volume('a')] }))
    const larger = volume('a', 'fast', { sizeBytes: 16384, attached })
    const [step] = planStorage(
      storage({ pools: [pool('fast')], volumes: [larger] }),
      daemon.observe(),
    )
    t.like(step, { call: 'volume-grow', words: { reconnect: attached } })
  }
})

test('what nobody declared is never deleted, and neither is the pool it is in', (t) => {
  const daemon = new ModelDaemon()
  settle(daemon, storage({ pools: [pool('fast')] }))
  daemon.foreign('fast', 'by-hand')
  t.deepEqual(settle(daemon, NO_STORAGE), [])
  t.deepEqual([...daemon.pools.keys()], ['fast'])
})

test('a volume that stands is taken over when a resource names it', (t) => {
  const daemon = new ModelDaemon()
  settle(daemon, storage({ pools: [pool('fast')] }))
  daemon.foreign('fast', 'a')
  const desired = storage({ pools: [pool('fast')], volumes: [volume('a')] })
  const done = settle(daemon, desired)
  t.is(done[0], 'take over a')
  t.deepEqual([...daemon.owned], ['a'])
})

test('without a daemon a host that serves nothing is as it should be; else it is to be reached', (t) => {
  const away = { ...new ModelDaemon().observe(), daemon: undefined, trouble: 'no socket' }
  const { daemon: _none, ...observed } = away
  t.deepEqual(planStorage(NO_STORAGE, observed), [])
  const steps = planStorage(storage({ pools: [pool('fast')] }), observed)
  t.deepEqual(
    steps.map(({ kind }) => kind),
    ['configure', 'reach'],
  )
  const waiting = steps.find(({ kind }) => kind === 'reach')
  t.false(storageFacts(observed).has(waiting?.requires[0] ?? fact('vm', '', '')))
  t.true(storageFacts(new ModelDaemon().observe()).has(DAEMON_ANSWERS))
})

test('from any storage to any other: it settles, and the daemon refuses nothing on the way', (t) => {
  const numbers = fc.array(fc.nat({ max: 5 }), { maxLength: 8 })
  const some = fc.record({ volumes: numbers, snapshots: numbers, clones: numbers })
  const made = ({ volumes, snapshots, clones }: { [Key: string]: number[] }): StorageDesired => {
    const base = [...new Set(volumes)].map((n) => volume(`v${n}`, n % 2 ? 'fast' : 'bulk'))
    const taken = [...new Set(snapshots)]
      .filter((n) => base.some(({ name }) => name === `v${n}`))
      .map((n) => ({ name: `s${n}`, volume: `v${n}` }))
    const cloned = [...new Set(clones)]
      .filter((n) => taken.some(({ name }) => name === `s${n}`))
      .map((n) => clone(`c${n}`, `s${n}`, n % 2 || n > 2 ? 'fast' : 'bulk', n <= 2))
    const pools = [pool('bulk', { erasure: '2+1' }), pool('fast')]
    return storage({ pools, volumes: [...cloned, ...base], snapshots: taken })
  }
  fc.assert(
    fc.property(fc.array(some, { minLength: 1, maxLength: 4 }), (states) => {
      const daemon = new ModelDaemon()
      for (const state of states) {
        const desired = made(state)
        settle(daemon, desired)
        const names = [...daemon.pools.values()].flatMap((volumes) => [...volumes.keys()])
        const wanted = [...desired.volumes, ...desired.snapshots].map(({ name }) => name)
        t.deepEqual(names.toSorted(), wanted.toSorted())
      }
      settle(daemon, NO_STORAGE)
      t.is(daemon.pools.size, 0)
    }),
    { numRuns: 60 },
  )
})

test('a snapshot that somebody else takes is not made, kept where it stands, and goes when nobody names it', (t) => {
  const daemon = new ModelDaemon()
  const base = { pools: [pool('fast')], volumes: [volume('a')] }
  const kept = { name: 'ms-1', volume: 'a', kept: true as const }
  settle(daemon, storage(base))
  t.deepEqual(settle(daemon, storage({ ...base, snapshots: [kept] })), [])
  const made = planStorage(
    storage({ ...base, snapshots: [{ name: 'ms-1', volume: 'a' }] }),
    daemon.observe(),
  )
  for (const step of made) daemon.execute(step)
  t.deepEqual(settle(daemon, storage({ ...base, snapshots: [kept] })), [])
  t.deepEqual(settle(daemon, storage(base)), ['delete snapshot ms-1'])
})
