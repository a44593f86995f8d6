import test from 'ava'
import fc from 'fast-check'
import { type Fate, LeaseWorld } from '../../tests/lease-world.ts'

const HOSTS = ['a', 'b', 'c'] as const
const FATES: readonly Fate[] = ['fail-before', 'fail-after', 'crash-before', 'crash-after', 'late']

const host = fc.constantFrom(...HOSTS)
const fate = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Fate>('ok') },
  { weight: 2, arbitrary: fc.constantFrom(...FATES) },
)
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('work' as const),
      hosts: fc.uniqueArray(host, { minLength: 1 }),
      fates: fc.array(fate, { maxLength: 8 }),
      hear: fc.constantFrom('nothing' as const, 'wishes' as const, 'all' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('want' as const), host }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('want-stopped' as const), host }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...([
          'kill-agent',
          'power-off',
          'power-on',
          'fence',
          'cut-off',
          'heal',
          'guest-ends',
        ] as const),
        'start-late' as const,
      ),
      host,
    }),
  },
)
type Event = typeof event extends fc.Arbitrary<infer Value> ? Value : never

async function happen(world: LeaseWorld, one: Event, order: fc.Scheduler): Promise<void> {
  if (one.do === 'work') {
    const working = one.hosts.map((name) => world.host(name))
    for (const each of working) {
      each.fates = [...one.fates]
      if (one.hear === 'wishes') each.hearWish()
      if (one.hear === 'all') await each.hearAll()
    }
    world.turn = (call) => order.schedule(Promise.resolve(), call)
    await order.waitFor(Promise.all(working.map((each) => each.pass())))
    world.turn = async () => {}
    return
  }
  const { host: name } = one
  const at = world.host(name)
  switch (one.do) {
    case 'want':
      world.wanted = { host: name, powerState: 'running' }
      return
    case 'want-stopped':
      world.wanted = { ...world.wanted, powerState: 'stopped' }
      return
    case 'kill-agent':
      return at.killAgent()
    case 'power-off':
      return await at.powerOff()
    case 'power-on':
      if (!at.isOn) await at.powerOn()
      return
    case 'fence':
      // Whoever says it has looked.
      if (!at.isOn) await world.fence(name)
      return
    case 'cut-off':
      at.isCutOff = true
      return
    case 'heal':
      at.isCutOff = false
      return
    case 'guest-ends':
      return at.guestEnds()
    case 'start-late':
      return at.startLate()
  }
}

test('whatever happens to hosts, agents and store, a machine never runs twice, and ends up where it should', async (t) => {
  t.timeout(120_000)
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 18 }), fc.scheduler(), async (events, order) => {
      const world = await LeaseWorld.make(HOSTS)
      for (const one of events) await happen(world, one, order)
      await world.settle()
      await world.end()
      const { host: wanted, powerState } = world.wanted
      const expected = powerState === 'running' ? [wanted] : []
      return (
        world.twice.length === 0 &&
        world.told.length === 0 &&
        world.running().join() === expected.join()
      )
    }),
    { numRuns: 120 },
  )
  t.pass()
})

test('at each step of a move, and of the move back, an agent may end or fail: never twice, and it comes up', async (t) => {
  t.timeout(120_000)
  for (const victim of ['a', 'b'] as const) {
    for (const fateThen of FATES) {
      let reached = true
      for (let step = 0; reached; step++) {
        const world = await LeaseWorld.make(['a', 'b'])
        const [a, b] = [world.host('a'), world.host('b')]
        await a.pass()
        t.deepEqual(world.running(), ['a'])
        const fates: Fate[] = [...Array.from({ length: step }, (): Fate => 'ok'), fateThen]
        world.host(victim).fates = fates
        for (const to of ['b', 'a']) {
          world.wanted = { host: to, powerState: 'running' }
          for (const each of [b, a, b, a, b]) {
            await each.hearAll()
            await each.pass()
          }
        }
        // A step that was not reached: all of them have been tried.
        reached = world.host(victim).fates.length === 0
        await world.settle()
        await world.end()
        const what = `${victim} ${fateThen} at call ${step}`
        t.deepEqual(world.twice, [], what)
        t.deepEqual(world.running(), ['a'], what)
      }
    }
  }
})

test('a host that was said to be off by mistake ends its copy once it sees that another took the machine', async (t) => {
  for (const goesOn of ['runs there', 'has left there again'] as const) {
    const world = await LeaseWorld.make(['a', 'b'])
    const [a, b] = [world.host('a'), world.host('b')]
    await a.pass()
    await a.hearLeases()
    a.isCutOff = true
    await t.throwsAsync(world.fence('a'), { code: 'PUR_RESOURCE_IN_USE' })
    await a.goSilent()
    await world.fence('a')
    world.wanted = { host: 'b', powerState: 'running' }
    await b.hearAll()
    await b.pass()
    t.deepEqual(world.running(), ['a', 'b'], 'this is what the mistake costs')
    if (goesOn === 'has left there again') {
      world.wanted = { host: 'a', powerState: 'running' }
      await b.hearAll()
      await b.pass()
    }
    await a.pass()
    t.true(world.running().includes('a'), 'cut off, it touches nothing')
    a.isCutOff = false
    // It has not heard yet that the machine is wanted elsewhere: the lease alone tells it.
    await a.hearLeases()
    await a.pass()
    t.deepEqual(world.told, ['machine.surrendered'], goesOn)
    await world.settle()
    t.deepEqual(world.running(), [world.wanted.host], goesOn)
    await world.end()
  }
})

test('two hosts that both think that the machine is theirs: one of them starts it', async (t) => {
  const world = await LeaseWorld.make(['a', 'b'])
  const [a, b] = [world.host('a'), world.host('b')]
  a.hearWish()
  world.wanted = { host: 'b', powerState: 'running' }
  b.hearWish()
  const looked = Promise.withResolvers<void>()
  let looks = 0
  // Both have seen a free lease before either writes.
  world.turn = async (call) => {
    if (call.endsWith('get') && ++looks === 2) looked.resolve()
    if (call.endsWith('transact')) await looked.promise
  }
  await Promise.all([a.pass(), b.pass()])
  t.is(world.running().length, 1)
  t.deepEqual(world.twice, [])
  await world.end()
})

test('a start that was given up and comes late: the lease stays until the domain is gone', async (t) => {
  const world = await LeaseWorld.make(['a', 'b'])
  const [a, b] = [world.host('a'), world.host('b')]
  a.fates = ['ok', 'ok', 'ok', 'late']
  await a.pass()
  world.wanted = { host: 'a', powerState: 'stopped' }
  await a.hearAll()
  await a.pass()
  world.wanted = { host: 'b', powerState: 'running' }
  await b.hearAll()
  await b.pass()
  t.deepEqual(world.running(), [])
  a.startLate()
  t.deepEqual(world.running(), ['a'])
  await world.settle()
  t.deepEqual(world.running(), ['b'])
  t.deepEqual(world.twice, [])
  await world.end()
})

test('a machine that was stopped may be started elsewhere while its host is away', async (t) => {
  const world = await LeaseWorld.make(['a', 'b'])
  const [a, b] = [world.host('a'), world.host('b')]
  await a.pass()
  world.wanted = { host: 'a', powerState: 'stopped' }
  await a.hearAll()
  await a.pass()
  a.isCutOff = true
  world.wanted = { host: 'b', powerState: 'running' }
  await b.hearAll()
  await b.pass()
  t.deepEqual(world.running(), ['b'])
  await world.end()
})

test('a host that was said to be off by mistake keeps its machine where nobody took it since', async (t) => {
  const world = await LeaseWorld.make(['a', 'b'])
  const a = world.host('a')
  await a.pass()
  await a.goSilent()
  await world.fence('a')
  a.killAgent()
  await a.hearAll()
  await a.pass()
  t.deepEqual(world.running(), ['a'])
  t.deepEqual(world.told, [])
  await world.end()
})

test('with the store away nothing starts, also after a boot, and what runs runs on', async (t) => {
  const world = await LeaseWorld.make(['a', 'b'])
  const a = world.host('a')
  await a.pass()
  a.isCutOff = true
  a.killAgent()
  await a.pass()
  t.deepEqual(world.running(), ['a'])
  await a.powerOff()
  await a.powerOn()
  await a.pass()
  t.deepEqual(world.running(), [])
  a.isCutOff = false
  await a.pass()
  t.deepEqual(world.running(), ['a'])
  await world.end()
})
