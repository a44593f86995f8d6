import { createVirtualClock, fact, type VirtualClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { desiredOf, FakeLane, type FakeStep } from '../tests/fake-lane.ts'
import { type LanePass, laneOf } from './lane.ts'
import type { ReconcileLogEntry } from './log.ts'
import { type Reconciler, startReconciler } from './reconciler.ts'

type Desired = ReturnType<typeof desiredOf>

interface Started {
  readonly clock: VirtualClock
  readonly reconciler: Reconciler
  readonly passes: LanePass<ReadonlySet<string>, FakeStep>[]
  readonly logged: ReconcileLogEntry[]
}

function start(
  t: ExecutionContext,
  lanes: readonly (readonly [FakeLane, Desired])[],
  { drift = 'repair', resyncMs = 1e9 }: { drift?: 'repair' | 'report'; resyncMs?: number } = {},
): Started {
  const clock = createVirtualClock()
  const passes: Started['passes'] = []
  const logged: ReconcileLogEntry[] = []
  const reconciler = startReconciler({
    lanes: lanes.map(([driver, desired]) =>
      laneOf({
        driver,
        desired: desired.read,
        observeDeadlineMs: 500,
        onPass: (pass) => {
          passes.push(pass)
        },
      }),
    ),
    clock,
    resyncMs,
    drift,
    maxBackoffMs: 800,
    log: (entry) => logged.push(entry),
  })
  t.teardown(() => reconciler.stop())
  return { clock, reconciler, passes, logged }
}

function held() {
  let release = (): void => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  return { until, release: () => release() }
}

const enforced = fact('nic', 'web.eth0', 'enforced')
const inUse = fact('nic', 'web.eth0', 'in-use')

function rulesAndMachine() {
  const rules = new FakeLane('rules', [{ name: 'web', proves: enforced, keptFor: [inUse] }])
  const machine = new FakeLane('machine', [{ name: 'web', requires: [enforced], proves: inUse }])
  return { rules, machine }
}

test('a lane reaches what is desired and then rests', async (t) => {
  const lane = new FakeLane('a', ['x', 'y'])
  const { clock, reconciler, passes } = start(t, [[lane, desiredOf('x', 'y')]])
  await reconciler.whenConverged(1)
  await clock.advance(0)
  t.deepEqual([...lane.on], ['x', 'y'])
  t.deepEqual(lane.calls, ['observe', 'x on', 'y on', 'observe'])
  t.is(passes.length, 1)
  t.true(passes[0]?.converged)
  t.is(reconciler.convergedRevision('a'), 1)
  t.deepEqual(reconciler.health(), [{ lane: 'a', state: 'idle' }])
})

test('a wake reaches an idle lane’s driver before it returns', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const desired = desiredOf()
  const { clock, reconciler } = start(t, [[lane, desired]])
  await clock.advance(0)
  const before = lane.calls.length
  desired.set('x')
  reconciler.wake('desired', 'a')
  t.is(lane.calls.length, before + 1)
})

test('wakes during a pass lead to one more pass, however many', async (t) => {
  const lane = new FakeLane('a', [])
  const hold = held()
  lane.mishap = () => hold
  const { clock, reconciler, passes } = start(t, [[lane, desiredOf()]])
  for (let n = 0; n < 100; n++) reconciler.wake('again')
  lane.notice('netlink')
  hold.release()
  await clock.advance(0)
  t.is(passes.length, 2)
})

test('a machine starts only after its rules stand, whichever lane looks first', async (t) => {
  for (const first of ['rules', 'machine']) {
    const { rules, machine } = rulesAndMachine()
    const order: string[] = []
    rules.onExecute = (step) => order.push(`rules ${step.summary}`)
    machine.onExecute = (step) => order.push(`machine ${step.summary}`)
    const lanes = [rules, machine].map((lane) => [lane, desiredOf('web')] as const)
    const { reconciler } = start(t, first === 'rules' ? lanes : lanes.toReversed())
    await reconciler.whenConverged(1)
    t.deepEqual(order, ['rules web on', 'machine web on'])
    t.deepEqual([...reconciler.facts()].toSorted(), [enforced, inUse].toSorted())
  }
})

test('rules go only after the machine is seen to have stopped', async (t) => {
  const { rules, machine } = rulesAndMachine()
  const desired = desiredOf('web')
  const order: string[] = []
  rules.onExecute = (step) => order.push(`rules ${step.summary}`)
  machine.onExecute = (step) => order.push(`machine ${step.summary}`)
  const { reconciler } = start(t, [
    [rules, desired],
    [machine, desired],
  ])
  await reconciler.whenConverged(1)
  const revision = desired.set()
  reconciler.wake('desired')
  await reconciler.whenConverged(revision)
  t.deepEqual(order.slice(2), ['machine web off', 'rules web off'])
})

test('after a start nothing that use forbids is done before every lane has looked', async (t) => {
  const { rules, machine } = rulesAndMachine()
  rules.on.add('web')
  machine.on.add('web')
  const hold = held()
  machine.mishap = () => hold
  const { clock, reconciler } = start(t, [
    [rules, desiredOf()],
    [machine, desiredOf('web')],
  ])
  await clock.advance(100)
  t.true(rules.on.has('web'))
  hold.release()
  await clock.advance(100)
  t.true(rules.on.has('web'))
  t.is(reconciler.convergedRevision('rules'), -1)
  t.is(reconciler.convergedRevision('machine'), 1)
})

test('a start under way holds the removal of the rules it relied on', async (t) => {
  const { rules, machine } = rulesAndMachine()
  rules.on.add('web')
  const wantedRules = desiredOf('web')
  const hold = held()
  machine.mishap = (call) => (call === 'web on' ? hold : undefined)
  const { clock, reconciler } = start(t, [
    [rules, wantedRules],
    [machine, desiredOf('web')],
  ])
  await clock.advance(10)
  t.true(machine.calls.includes('web on'))
  wantedRules.set()
  reconciler.wake('desired', 'rules')
  await clock.advance(10)
  t.true(rules.on.has('web'))
  hold.release()
  await clock.advance(10)
  t.true(machine.on.has('web'))
  t.true(rules.on.has('web'))
})

test('facts of a lane that can no longer look permit nothing', async (t) => {
  const { rules, machine } = rulesAndMachine()
  rules.on.add('web')
  const wanted = desiredOf()
  const { clock, reconciler } = start(t, [
    [rules, desiredOf('web')],
    [machine, wanted],
  ])
  await clock.advance(0)
  rules.mishap = () => 'fail'
  reconciler.wake('netlink', 'rules')
  await clock.advance(0)
  wanted.set('web')
  reconciler.wake('desired', 'machine')
  await clock.advance(50)
  t.false(machine.on.has('web'))
  rules.mishap = () => undefined
  await clock.advance(1_000)
  t.true(machine.on.has('web'))
})

test('a hung lane stalls itself alone and is named with the age of its call', async (t) => {
  const hung = new FakeLane('hung', ['x'])
  const other = new FakeLane('other', ['y'])
  const wanted = desiredOf('y')
  const hold = held()
  hung.mishap = (call) => (call === 'x on' ? hold : undefined)
  const { clock, reconciler, passes } = start(t, [
    [hung, desiredOf('x')],
    [other, wanted],
  ])
  await clock.advance(900)
  t.is(reconciler.health()[0]?.state, 'starting')
  t.is(reconciler.convergedRevision('other'), 1)
  await clock.advance(4_100)
  const [sick, well] = reconciler.health()
  t.is(sick?.state, 'stuck')
  t.is(sick?.doing, 'x on')
  t.is(sick?.ageMs, 5_000)
  t.regex(sick?.lastError ?? '', /^PUR_LANE_STUCK: hung: x on: not begun, "x on" has not returned/)
  t.is(well?.state, 'idle')
  t.is(hung.calls.filter((call) => call === 'x on').length, 1)
  t.is(passes.find(({ failed }) => failed)?.failed?.error.code, 'PUR_DEADLINE_PASSED')

  const revision = wanted.set()
  reconciler.wake('desired', 'other')
  await clock.advance(0)
  t.is(reconciler.convergedRevision('other'), revision)

  hung.mishap = () => undefined
  hold.release()
  await clock.advance(0)
  t.is(reconciler.convergedRevision('hung'), 1)
  t.is(reconciler.health()[0]?.state, 'idle')
})

test('a hung observation is not made a second time while it hangs', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const hold = held()
  lane.mishap = () => hold
  const { clock, reconciler } = start(t, [[lane, desiredOf('x')]], { resyncMs: 300 })
  await clock.advance(20_000)
  t.deepEqual(lane.calls, ['observe'])
  const [planned] = await reconciler.plan()
  t.is(planned?.error?.code, 'PUR_LANE_STUCK')
  t.regex(planned?.error?.message ?? '', /"observe" has not returned for 20000 ms/)
  lane.mishap = () => undefined
  hold.release()
  await clock.advance(0)
  t.true(lane.on.has('x'))
})

test('a failing step is tried again after 100, 200, 400 ms, and then every 800', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const desired = desiredOf('x')
  const times: number[] = []
  const { clock, reconciler } = start(t, [[lane, desired]])
  lane.mishap = (call) => (call === 'x on' ? 'fail' : undefined)
  lane.onExecute = () => times.push(clock.monotonicMs())
  for (let n = 0; n < 500; n++) {
    await clock.advance(10)
    lane.notice('noise')
  }
  t.deepEqual(times, [0, 100, 300, 700, 1_500, 2_300, 3_100, 3_900, 4_700])
  t.is(reconciler.health()[0]?.state, 'failed')
  t.is(reconciler.health()[0]?.lastError, 'PUR_LINK_FAILED: a: x on: failed')

  times.length = 0
  const beganMs = clock.monotonicMs()
  desired.set('x')
  reconciler.wake('desired')
  await clock.advance(350)
  t.deepEqual(
    times.map((timeMs) => timeMs - beganMs),
    [0, 100, 300],
  )
})

test('a failure ends the pass, unless the driver calls a later step independent', async (t) => {
  for (const independent of [false, true]) {
    const lane = new FakeLane('a', ['x', 'y'])
    lane.mishap = (call) => (call === 'x on' ? 'fail' : undefined)
    if (independent) lane.independent = (failed, later) => failed.name !== later.name
    const { clock, passes } = start(t, [[lane, desiredOf('x', 'y')]])
    await clock.advance(0)
    t.deepEqual([...lane.on], independent ? ['y'] : [])
    t.is(passes[0]?.failed?.step?.name, 'x')
  }
})

test('steps that go together are executed in one call, without those that wait', async (t) => {
  const machine = new FakeLane('machine', [
    'x',
    { name: 'web', requires: [enforced] },
    'y',
    'z',
    'late',
  ])
  machine.togetherMax = 4
  const { clock, passes } = start(t, [[machine, desiredOf('x', 'web', 'y', 'z', 'late')]])
  await clock.advance(0)
  const acts = machine.calls.filter((call) => call !== 'observe')
  t.deepEqual(acts.slice(0, 5), ['3 together', 'x on', 'y on', 'z on', 'late on'])
  t.deepEqual(
    passes[0]?.waiting.map(({ name }) => name),
    ['web'],
  )
})

test('of steps that go together those that fail are told, and hold back what stands on them', async (t) => {
  const lane = new FakeLane('a', ['x', 'y', 'z', 'on y'])
  lane.togetherMax = 3
  lane.mishap = (call) => (call === 'y on' ? 'fail' : undefined)
  lane.independent = (failed, later) => later.name !== `on ${failed.name}`
  const { clock, passes } = start(t, [[lane, desiredOf('x', 'y', 'z', 'on y')]])
  await clock.advance(0)
  t.deepEqual([...lane.on], ['x', 'z'])
  t.is(passes[0]?.failed?.step?.name, 'y')
  t.deepEqual(
    passes[0]?.executed.map(({ name }) => name),
    ['x', 'z'],
  )
})

test('after a failure the lane looks at once, so that others see what is left', async (t) => {
  const lane = new FakeLane('a', ['x'])
  lane.mishap = (call) => (call === 'x on' ? 'fail' : undefined)
  const { clock } = start(t, [[lane, desiredOf('x')]])
  await clock.advance(0)
  t.deepEqual(lane.calls, ['observe', 'x on', 'observe'])
})

test('drift is repaired, and said', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const { clock, passes, logged } = start(t, [[lane, desiredOf('x')]])
  await clock.advance(0)
  lane.on.delete('x')
  lane.notice('netlink')
  await clock.advance(0)
  t.true(lane.on.has('x'))
  t.true(passes[1]?.drifted)
  t.true(passes[1]?.converged)
  t.is(logged.filter(({ level }) => level === 'warning').length, 1)
})

test('reported drift is said once and left, until something new is desired', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const desired = desiredOf('x')
  const { clock, reconciler, passes, logged } = start(t, [[lane, desired]], { drift: 'report' })
  await clock.advance(0)
  t.true(lane.on.has('x'))
  lane.on.delete('x')
  for (let n = 0; n < 3; n++) {
    lane.notice('netlink')
    await clock.advance(0)
  }
  t.false(lane.on.has('x'))
  t.true(passes.at(-1)?.drifted)
  t.false(passes.at(-1)?.converged)
  t.is(logged.filter(({ level }) => level === 'warning').length, 1)
  desired.set('x')
  reconciler.wake('desired')
  await clock.advance(0)
  t.true(lane.on.has('x'))
})

test('a new reconciler finishes what a crashed one began', async (t) => {
  const lane = new FakeLane('a', ['x', 'y', 'z'])
  const desired = desiredOf('x', 'y', 'z')
  const hold = held()
  lane.mishap = (call) => (call === 'y on' ? hold : undefined)
  const crashed = start(t, [[lane, desired]])
  await crashed.clock.advance(0)
  t.deepEqual([...lane.on], ['x'])
  await crashed.reconciler.stop()
  lane.mishap = () => undefined
  lane.calls.length = 0
  const { reconciler } = start(t, [[lane, desired]])
  await reconciler.whenConverged(1)
  t.deepEqual(lane.calls, ['observe', 'y on', 'z on', 'observe'])
})

test('a step that does not do what it says is an error, not an endless loop', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const { clock, passes } = start(t, [[lane, desiredOf('x')]])
  lane.onExecute = () =>
    queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => lane.on.clear())))
  lane.on.add = () => lane.on
  await clock.advance(0)
  t.is(passes[0]?.failed?.error.code, 'PUR_LANE_UNSETTLED')
  t.is(lane.calls.filter((call) => call === 'x on').length, 8)
})

test('a newer desired state replaces the rest of an older plan', async (t) => {
  const lane = new FakeLane('a', ['x', 'y'])
  const desired = desiredOf('x', 'y')
  lane.onExecute = (step) => {
    if (step.summary === 'x on') desired.set('x')
  }
  const { clock, reconciler } = start(t, [[lane, desired]])
  await clock.advance(0)
  t.deepEqual([...lane.on], ['x'])
  t.is(reconciler.convergedRevision('a'), 2)
})

test('a plan is made from a fresh look and executes nothing', async (t) => {
  const lane = new FakeLane('a', ['x', 'y'])
  const { clock, reconciler } = start(t, [[lane, desiredOf('x')]])
  await clock.advance(0)
  lane.on.add('y')
  lane.calls.length = 0
  t.deepEqual(
    (await reconciler.plan()).map(({ steps }) => steps.map(({ summary }) => summary)),
    [['y off']],
  )
  const planned = await reconciler.plan(() => new Set(['y']))
  t.deepEqual(
    planned[0]?.steps.map(({ summary }) => summary),
    ['x off'],
  )
  t.deepEqual(lane.calls, ['observe', 'observe'])
})

test('more planners than the queue holds are sent away', async (t) => {
  const lane = new FakeLane('a', [])
  const hold = held()
  lane.mishap = () => hold
  const { reconciler } = start(t, [[lane, desiredOf()]])
  const plans = Array.from({ length: 33 }, () => reconciler.plan())
  const [refused] = (await plans[32]) ?? []
  t.is(refused?.error?.code, 'PUR_LANE_BUSY')
  hold.release()
  const answered = (await Promise.all(plans.slice(0, 32))).flat()
  t.is(answered.filter(({ error }) => error === undefined).length, 32)
})

test('a lane that cannot be looked at says so in its own row of the plan', async (t) => {
  const sick = new FakeLane('sick', ['x'])
  const well = new FakeLane('well', ['y'])
  sick.mishap = () => 'fail'
  const { reconciler } = start(t, [
    [sick, desiredOf('x')],
    [well, desiredOf()],
  ])
  const [first, second] = await reconciler.plan(() => new Set(['x', 'y']))
  t.is(first?.error?.code, 'PUR_LINK_FAILED')
  t.deepEqual(
    second?.steps.map(({ summary }) => summary),
    ['y on'],
  )
})

test('every lane looks again after the resync time', async (t) => {
  const lane = new FakeLane('a', [])
  const { clock } = start(t, [[lane, desiredOf()]], { resyncMs: 1_000 })
  await clock.advance(3_500)
  t.is(lane.calls.length, 4)
})

test('a stop gives up calls under way, makes no more, and refuses those who wait', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const hold = held()
  lane.mishap = (call) => (call === 'x on' ? hold : undefined)
  const { clock, reconciler } = start(t, [[lane, desiredOf('x')]], { resyncMs: 1_000 })
  await clock.advance(10)
  const waiting = reconciler.whenConverged(1)
  await reconciler.stop()
  const error = await t.throwsAsync(waiting)
  t.regex(error?.message ?? '', /not there yet: a/)
  const calls = lane.calls.length
  reconciler.wake('late')
  lane.notice('late')
  hold.release()
  await clock.advance(60_000)
  t.is(lane.calls.length, calls)
  t.is(clock.sleepers(), 0)
})

test('a fault in desired or a listener is an error and not the end of the loop', async (t) => {
  const lane = new FakeLane('a', ['x'])
  const clock = createVirtualClock()
  const logged: ReconcileLogEntry[] = []
  let faults = 2
  const reconciler = startReconciler({
    lanes: [
      laneOf({
        driver: lane,
        desired: () => {
          if (faults > 0) throw new Error('no desired state')
          return { value: new Set(['x']), revision: 1 }
        },
        observeDeadlineMs: 500,
        onPass: () => {
          faults -= 1
          throw new Error('listener')
        },
      }),
    ],
    clock,
    resyncMs: 1e9,
    drift: 'repair',
    maxBackoffMs: 800,
    log: (entry) => logged.push(entry),
  })
  t.teardown(() => reconciler.stop())
  await clock.advance(0)
  t.is(reconciler.health()[0]?.lastError, 'PUR_INTERNAL: no desired state')
  await clock.advance(1_000)
  t.true(lane.on.has('x'))
  t.true(logged.some(({ message }) => message === 'report of a pass: listener'))
})
