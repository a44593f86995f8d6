import { createVirtualClock, fact } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { desiredOf, FakeLane, type Mishap } from '../tests/fake-lane.ts'
import { laneOf } from './lane.ts'
import { startReconciler } from './reconciler.ts'

const machines = ['m1', 'm2', 'm3'] as const
const nic = (name: string, state: string) => fact('nic', `${name}.eth0`, state)

/** Rules, switch ports and machines, with the facts the real lanes use. */
function host() {
  const rules = new FakeLane(
    'rules',
    machines.map((name) => ({
      name,
      proves: nic(name, 'enforced'),
      keptFor: [nic(name, 'in-use')],
    })),
  )
  const ports = new FakeLane(
    'ports',
    machines.map((name) => ({
      name,
      proves: nic(name, 'plugged'),
      keptFor: [nic(name, 'in-use')],
    })),
  )
  const virt = new FakeLane(
    'virt',
    machines.map((name) => ({
      name,
      requires: [nic(name, 'enforced'), nic(name, 'plugged')],
      proves: nic(name, 'in-use'),
    })),
  )
  return { rules, ports, virt, lanes: [rules, ports, virt] }
}

const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('want' as const),
      names: fc.subarray([...machines]),
      thenMs: fc.integer({ min: 0, max: 400 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('wake' as const),
      lane: fc.constantFrom('rules', 'ports', 'virt'),
      thenMs: fc.integer({ min: 0, max: 3_000 }),
    }),
  },
)

/** How calls go, in order: looks mostly well, steps mostly not, so that steps overlap in every
 *  way. */
const fates = fc.record({
  observe: fc.array(fc.constantFrom('ok', 'ok', 'ok', 'ok', 'ok', 'fail', 'slow', 'hang'), {
    maxLength: 40,
  }),
  execute: fc.array(fc.constantFrom('ok', 'fail', 'slow', 'hang'), { maxLength: 40 }),
})

/** How many steps a lane takes in one call. */
const together = fc.integer({ min: 1, max: 3 })

test('any wakes and mishaps: no machine without rules and port, all converges', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 25 }),
      fates,
      together,
      async (events, given, togetherMax) => {
        const observe = [...given.observe]
        const execute = [...given.execute]
        const { rules, ports, virt, lanes } = host()
        const clock = createVirtualClock()
        const stop = new AbortController()
        const broken: string[] = []
        const look = (): void => {
          for (const name of virt.on) {
            if (!rules.on.has(name)) broken.push(`${name} runs without rules`)
            if (!ports.on.has(name)) broken.push(`${name} runs without port`)
          }
        }
        const mishap = (call: string): Mishap | undefined => {
          const fate = (call === 'observe' ? observe : execute).shift()
          if (fate === 'fail') return 'fail'
          if (fate === 'slow') return { until: clock.sleep(150, stop.signal).catch(() => {}) }
          if (fate === 'hang') return { until: clock.sleep(2_500, stop.signal).catch(() => {}) }
          return undefined
        }
        for (const lane of lanes) {
          lane.mishap = mishap
          lane.onEffect = look
          lane.togetherMax = togetherMax
        }
        const desired = desiredOf()
        const reconciler = startReconciler({
          lanes: lanes.map((driver) =>
            laneOf({ driver, desired: desired.read, observeDeadlineMs: 300 }),
          ),
          clock,
          resyncMs: 5_000,
          drift: 'repair',
          maxBackoffMs: 800,
        })
        try {
          for (const one of events) {
            if (one.do === 'want') {
              desired.set(...one.names)
              reconciler.wake('desired')
            } else reconciler.wake('event', one.lane)
            await clock.advance(one.thenMs)
          }
          observe.length = 0
          execute.length = 0
          await clock.advance(60_000)
          t.deepEqual(broken, [])
          const { value, revision } = desired.read()
          for (const lane of lanes) {
            t.deepEqual([...lane.on].toSorted(), [...value].toSorted(), lane.lane)
            t.is(reconciler.convergedRevision(lane.lane), revision, lane.lane)
          }
          t.true(reconciler.health().every(({ state }) => state === 'idle'))
        } finally {
          stop.abort()
          await reconciler.stop()
        }
      },
    ),
    { numRuns: 300 },
  )
})
