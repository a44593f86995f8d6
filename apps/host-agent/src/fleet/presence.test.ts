import { createVirtualClock, type VirtualClock } from '@purlin/base'
import { openSqliteStore, type Store } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import { HostState } from '../status/host-state.ts'
import type { HostView } from '../status/host-view.ts'
import { Presence } from './presence.ts'

interface Fleet {
  readonly store: Store
  readonly clock: VirtualClock
  begin(host: string, fingerprint?: string): Begun
  /** Lets time pass, step by step, so that what follows from each step happens. */
  pass(durationMs: number): Promise<void>
}

interface Begun {
  readonly presence: Presence
  readonly state: HostState
  seen: ReadonlyMap<string, HostView>
  die(): void
}

async function fleetOf(t: ExecutionContext): Promise<Fleet> {
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock })
  const stops: AbortController[] = []
  t.teardown(async () => {
    for (const stop of stops) stop.abort()
    await store.close()
  })
  const capacity = {
    ...{ cpus: 8, memoryMiB: 16_384, reservedCpus: 0, reservedMemoryMiB: 512 },
    ...{ cpuRatio: 4, memoryRatio: 1 },
  }
  return {
    store,
    clock,
    begin: (host, fingerprint = host) => {
      const stop = new AbortController()
      stops.push(stop)
      const state = new HostState(() => ({ laneRevision: 0, revision: 0 }))
      const presence = Presence.begin({
        ...{ store, clock, signal: stop.signal, host, version: '1', fingerprint, state, capacity },
        onChange: (others) => {
          begun.seen = others
        },
        onTrouble: () => undefined,
      })
      const begun: Begun = { presence, state, seen: new Map(), die: () => stop.abort() }
      return begun
    },
    pass: async (durationMs) => {
      for (let passedMs = 0; passedMs < durationMs; passedMs += 50) {
        await clock.advance(50)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

const pass = { lane: 'netfilter', desiredRevision: 7, waiting: [], converged: true }

test('hosts see each other and what each sees; one that dies is away when its lease ends', async (t) => {
  const fleet = await fleetOf(t)
  const [a, b] = [fleet.begin('a'), fleet.begin('b')]
  await fleet.pass(1_000)
  t.deepEqual([...a.seen.keys()], ['b'])
  b.state.record(pass, new Set())
  await fleet.pass(500)
  t.is(a.seen.get('b')?.lanes.netfilter.convergedRevision, 7)
  t.true(a.presence.isKeeper())
  t.false(b.presence.isKeeper())
  a.die()
  await fleet.pass(20_000)
  t.deepEqual([...b.seen.keys()], [])
  t.true(b.presence.isKeeper())
  const [first, second] = b.presence.list()
  t.like(first, { name: 'a', status: { conditions: [{ status: 'false', reason: 'Away' }] } })
  t.like(second, { name: 'b', status: { conditions: [{ status: 'true', reason: 'Present' }] } })
})

test('a host whose lease ended while it could not keep it is there again by a new one', async (t) => {
  const fleet = await fleetOf(t)
  const [a, b] = [fleet.begin('a'), fleet.begin('b')]
  await fleet.pass(1_000)
  const alive = await fleet.store.get('/host-alive/b')
  await fleet.store.transact({ writes: [{ delete: '/host-alive/b' }] })
  t.truthy(alive)
  b.state.record(pass, new Set())
  await b.presence.leave()
  await fleet.pass(8_000)
  t.deepEqual([...a.seen.keys()], ['b'])
  t.is(a.seen.get('b')?.lanes.netfilter.convergedRevision, 7)
})

test('a second host of one name is refused, and the first one stays', async (t) => {
  const fleet = await fleetOf(t)
  const first = fleet.begin('a', 'one')
  await fleet.pass(500)
  const second = fleet.begin('a', 'other')
  await fleet.pass(2_000)
  t.is(second.presence.refused?.code, 'PUR_HOST_NAME_TAKEN')
  t.is(first.presence.refused, undefined)
  t.is(first.presence.hostOfFingerprint('one'), 'a')
})

test('a host is removed once it is away; its certificate is believed no more', async (t) => {
  const fleet = await fleetOf(t)
  const [a, b] = [fleet.begin('a'), fleet.begin('b')]
  await fleet.pass(1_000)
  t.is(a.presence.hostOfFingerprint('b'), 'b')
  await t.throwsAsync(a.presence.remove('b'), { code: 'PUR_RESOURCE_IN_USE' })
  b.die()
  await fleet.pass(20_000)
  await a.presence.remove('b')
  await fleet.pass(100)
  t.is(a.presence.hostOfFingerprint('b'), undefined)
  t.deepEqual(a.presence.names(), ['a'])
  await t.throwsAsync(a.presence.remove('b'), { code: 'PUR_RESOURCE_MISSING' })
  const again = fleet.begin('b')
  await fleet.pass(2_000)
  t.is(again.presence.refused?.code, 'PUR_HOST_REMOVED')
  t.deepEqual([...a.seen.keys()], [])
})

test('what a host tells of its pool goes with it, its capacity stays', async (t) => {
  const fleet = await fleetOf(t)
  const [a, b] = [fleet.begin('a'), fleet.begin('b')]
  b.presence.tell('pool', { use: 1 })
  await fleet.pass(1_000)
  t.deepEqual(a.presence.heard('pool').get('b'), { use: 1 })
  b.presence.tell('pool', { use: 2 })
  b.presence.tell('hardware', { memoryMiB: 3 })
  await fleet.pass(500)
  t.deepEqual(a.presence.heard('pool').get('b'), { use: 2 })
  t.deepEqual(a.presence.heard('hardware').get('b'), { memoryMiB: 3 })
  b.die()
  await fleet.pass(20_000)
  t.false(a.presence.heard('pool').has('b'))
  t.like(a.presence.list()[1], { name: 'b', spec: { capacity: { cpus: 8, cpuRatio: 4 } } })
})
