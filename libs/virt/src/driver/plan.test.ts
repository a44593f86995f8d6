import { fact, sizeFact } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { isActive, powerStates } from '../machine/power-state.ts'
import { isAsWanted, WANTED_POWERS, type WantedPower } from '../machine/wanted-power.ts'
import { createVirtDriver } from './driver.ts'
import { readFacts } from './observe.ts'
import { planVirt } from './plan.ts'
import type { MachineDesired, VirtDesired, VirtObserved, VirtStep } from './types.ts'

const nothing: VirtObserved = { machines: [], foreign: [] }
const verbs = (steps: readonly VirtStep[]): string[] =>
  steps.map((step) => `${step.verb} ${step.machine}`)

/** What is observed when these machines exist as they are desired. */
async function observedOf(...machines: MachineDesired[]): Promise<VirtObserved> {
  const fake = createFakeLibvirt()
  for (const machine of machines) fake.add(domainXml(machine), machine.powerState === 'running')
  return await createVirtDriver({ libvirt: fake.port }).observe(new AbortController().signal)
}

test('a new machine is defined, then started when its NICs are enforced and plugged', (t) => {
  const steps = planVirt({ machines: [machineOf('web-1')] }, nothing)
  t.deepEqual(verbs(steps), ['define web-1', 'start web-1'])
  t.deepEqual(steps[0]?.requires, [])
  t.deepEqual(steps[1]?.requires, [
    fact('nic', 'web-1.eth0', 'enforced'),
    fact('nic', 'web-1.eth0', 'plugged'),
  ])
})

const onVolume = {
  ...{ target: 'vda', attach: 'nbd' as const, name: 'root', volume: 'vol-a' },
  socket: '/run/b/vol-a.sock',
}

test('a machine on a volume starts and goes on only where the volume is served', async (t) => {
  const machine = machineOf('web-1', { disks: [onVolume] })
  const served = fact('volume', 'vol-a', 'served')
  const [, start] = planVirt({ machines: [machine] }, nothing)
  t.true(start?.requires.includes(served))
  const observed = await observedOf(machine)
  const machines = observed.machines.map((one) => ({ ...one, state: 'paused' as const }))
  const [resume] = planVirt({ machines: [machine] }, { machines, foreign: [] })
  t.is(resume?.verb, 'resume')
  t.true(resume?.requires.includes(served))
})

test('a disk by vhost-user is waited for, and its growth is the daemon’s to tell', async (t) => {
  const disk = { ...onVolume, attach: 'vhost-user' as const, socket: '/run/b/vol-a.vhost.sock' }
  const machine = machineOf('web-1', { disks: [{ ...disk, sizeBytes: 16384 }] })
  const [, start] = planVirt({ machines: [machine] }, nothing)
  for (const state of ['served', 'vhost-user'] as const) {
    t.true(start?.requires.includes(fact('volume', 'vol-a', state)), state)
  }
  t.deepEqual(planVirt({ machines: [machine] }, await observedOf(machine)), [])
})

test('a running guest is told that its volume is larger, once it is', async (t) => {
  const wanted = (sizeBytes: number) =>
    machineOf('web-1', { disks: [{ ...onVolume, sizeBytes }], powerState: 'running' })
  const fake = createFakeLibvirt()
  const driver = createVirtDriver({ libvirt: fake.port })
  const { signal } = new AbortController()
  fake.add(domainXml(wanted(8192)), true)
  fake.diskBytes.set('web-1 vda', 8192)
  t.deepEqual(driver.plan({ machines: [wanted(8192)] }, await driver.observe(signal)), [])
  const machines = [wanted(16384)]
  const [grow, ...rest] = driver.plan({ machines }, await driver.observe(signal))
  t.deepEqual(rest, [])
  if (grow === undefined) return t.fail('no step')
  t.deepEqual(grow.requires, [fact('volume', 'vol-a', sizeFact(16384))])
  await driver.execute(grow, signal)
  t.deepEqual(fake.calls, ['resize web-1 vda'])
  return t.deepEqual(driver.plan({ machines }, await driver.observe(signal)), [])
})

test('a new machine that should be stopped is only defined', (t) => {
  const steps = planVirt({ machines: [machineOf('web-1', { powerState: 'stopped' })] }, nothing)
  t.deepEqual(verbs(steps), ['define web-1'])
})

test('a machine that is as it should be needs no step', async (t) => {
  const machines = [machineOf('a'), machineOf('b', { powerState: 'stopped' })]
  t.deepEqual(planVirt({ machines }, await observedOf(...machines)), [])
})

test('a running machine whose spec changes is redefined and never restarted', async (t) => {
  const steps = planVirt(
    { machines: [machineOf('a', { cpus: 2, memoryMiB: 256 })] },
    await observedOf(machineOf('a')),
  )
  t.deepEqual(verbs(steps), ['redefine a'])
  t.is(steps[0]?.summary, 'redefine machine a (cpus, memoryMiB)')
})

test('a change of generation alone is no change of the domain', async (t) => {
  const machines = [machineOf('a', { generation: 9 })]
  t.deepEqual(planVirt({ machines }, await observedOf(machineOf('a'))), [])
})

test('a definition changed by hand is put right, though the mark is still there', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')).replace('<vcpu>1</vcpu>', '<vcpu>8</vcpu>'))
  const driver = createVirtDriver({ libvirt: fake.port })
  const observed = await driver.observe(new AbortController().signal)
  const steps = driver.plan({ machines: [machineOf('a', { powerState: 'stopped' })] }, observed)
  t.deepEqual(verbs(steps), ['redefine a'])
})

test('a machine that leaves loses its power, then its domain, before others come', async (t) => {
  const steps = planVirt({ machines: [machineOf('b')] }, await observedOf(machineOf('a')))
  t.deepEqual(verbs(steps), ['destroy a', 'undefine a', 'define b', 'start b'])
  t.deepEqual(steps[1]?.forbids, [fact('vm', 'a', 'running')])
})

test('a machine of which nothing can be told now is left as it is', async (t) => {
  const observed = await observedOf(machineOf('a'))
  t.deepEqual(planVirt({ machines: [], untold: [machineOf('a').uuid] }, observed), [])
})

test('a machine made anew under an old name is another machine', async (t) => {
  const again = machineOf('a', { uuid: '00000000-0000-8000-8000-000000000001' })
  const steps = planVirt({ machines: [again] }, await observedOf(machineOf('a')))
  t.deepEqual(verbs(steps), ['destroy a', 'undefine a', 'define a', 'start a'])
  const running = fact('vm', 'a', 'running')
  t.deepEqual(
    steps.map((step) => step.forbids.includes(running)),
    [false, true, true, true],
  )
})

test('a guest is asked to power off, and its power waits for the fact that it does not listen', async (t) => {
  const machines = [machineOf('a', { powerState: 'stopped' })]
  const observed = await observedOf(machineOf('a'))
  const steps = planVirt({ machines }, observed, { graceMs: 5_000 })
  t.deepEqual(verbs(steps), ['shutdown a', 'destroy a'])
  t.like(steps[0], { graceMs: 5_000, requires: [] })
  t.deepEqual(steps[1]?.requires, [fact('vm', 'a', 'deaf')])
  const asked = (agoMs: number): VirtObserved => ({
    machines: observed.machines.map((one) => ({ ...one, powerOff: { agoMs, graceMs: 5_000 } })),
    foreign: [],
  })
  t.deepEqual(verbs(planVirt({ machines }, asked(4_999), { graceMs: 5_000 })), ['destroy a'])
  const deaf = (agoMs: number) => [...readFacts(asked(agoMs))].includes(fact('vm', 'a', 'deaf'))
  t.deepEqual([4_999, 5_000].map(deaf), [false, true])
})

test('saving and restoring have time for the memory', async (t) => {
  const machine = machineOf('a', { memoryMiB: 65_536 })
  const machines = [{ ...machine, powerState: 'suspended' as const }]
  const [save] = planVirt({ machines }, await observedOf(machine))
  t.like(save, { verb: 'save', deadlineMs: 60_000 + 65_536 * 20 })
})

test('memory whose disk does not answer is saved after the machine went on', async (t) => {
  const observed = await observedOf(machineOf('a'))
  const machines = observed.machines.map((one) => ({
    ...one,
    state: 'paused' as const,
    ioError: true,
  }))
  const desired = { machines: [machineOf('a', { powerState: 'suspended' })] }
  t.deepEqual(verbs(planVirt(desired, { machines, foreign: [] })), ['resume a'])
})

test('a name that a foreign domain has is asked for once, without a start', async (t) => {
  const fake = createFakeLibvirt()
  fake.add("<domain type='qemu'><name>a</name><uuid>x</uuid></domain>")
  const driver = createVirtDriver({ libvirt: fake.port })
  const observed = await driver.observe(new AbortController().signal)
  t.deepEqual(verbs(driver.plan({ machines: [machineOf('a')] }, observed)), ['define a'])
  t.deepEqual(verbs(driver.plan({ machines: [] }, observed)), [])
})

/** Every cell of the table: what is wanted, what is seen, the steps. */
const CELLS: Readonly<Record<WantedPower, Readonly<Record<string, readonly string[]>>>> = {
  running: {
    stopped: ['start a'],
    suspended: ['restore a'],
    running: [],
    paused: ['resume a'],
    stopping: [],
    sleeping: ['wake a'],
    crashed: ['destroy a'],
  },
  stopped: {
    stopped: [],
    suspended: ['discard a'],
    running: ['shutdown a', 'destroy a'],
    paused: ['destroy a'],
    stopping: ['shutdown a', 'destroy a'],
    sleeping: ['destroy a'],
    crashed: ['destroy a'],
  },
  paused: {
    stopped: ['start a'],
    suspended: ['restore a'],
    running: ['pause a'],
    paused: [],
    stopping: [],
    sleeping: ['wake a'],
    crashed: ['destroy a'],
  },
  suspended: {
    stopped: [],
    suspended: [],
    running: ['save a'],
    paused: ['save a'],
    stopping: [],
    sleeping: ['wake a'],
    crashed: ['destroy a'],
  },
}

for (const powerState of WANTED_POWERS) {
  for (const state of powerStates.states.filter((one) => one !== 'absent')) {
    const wanted = CELLS[powerState][state]
    const words = wanted?.join(', ') || 'nothing'
    test(`a machine that should be ${powerState} and is ${state}: ${words}`, async (t) => {
      const observed = await observedOf(machineOf('a'))
      const machines = observed.machines.map((one) => ({ ...one, state, active: isActive(state) }))
      const steps = planVirt(
        { machines: [machineOf('a', { powerState })] },
        { machines, foreign: [] },
      )
      t.deepEqual(verbs(steps), [...(wanted ?? ['a cell is missing'])])
      t.is(
        steps.some(({ paused }) => paused === true),
        powerState === 'paused' && !isActive(state),
      )
      t.is(isAsWanted(powerState, state), wanted?.length === 0 && state !== 'stopping')
    })
  }
}

test('a running machine whose definition was taken away gets it back', async (t) => {
  const observed = await observedOf(machineOf('a'))
  const machines = observed.machines.map((machine) => ({ ...machine, persistent: false }))
  const desired = { machines: [machineOf('a')] }
  t.deepEqual(verbs(planVirt(desired, { machines, foreign: [] })), ['redefine a'])
  t.deepEqual(verbs(planVirt({ machines: [] }, { machines, foreign: [] })), ['destroy a'])
})

const anyDesired: fc.Arbitrary<VirtDesired> = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      cpus: fc.integer({ min: 1, max: 2 }),
      again: fc.boolean(),
      powerState: fc.constantFrom(...WANTED_POWERS),
    }),
    { selector: (row) => row.name },
  )
  .map((rows) => ({
    machines: rows.map(({ name, cpus, powerState, again }) => {
      const other = { uuid: `00000000-0000-8000-8000-00000000000${name}` }
      return machineOf(name, { cpus, powerState, ...(again && other) })
    }),
  }))

test('from anything to anything: the steps executed once leave nothing to do', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyDesired, anyDesired, async (before, after) => {
      const fake = createFakeLibvirt()
      fake.add("<domain type='qemu'><name>foreign</name><uuid>x</uuid></domain>", true)
      const driver = createVirtDriver({ libvirt: fake.port })
      const { signal } = new AbortController()
      for (const desired of [before, after]) {
        for (const step of driver.plan(desired, await driver.observe(signal))) {
          await driver.execute(step, signal)
        }
        const observed = await driver.observe(signal)
        t.deepEqual(driver.plan(desired, observed), [])
        for (const { name, powerState } of desired.machines) {
          const state = observed.machines.find((one) => one.name === name)?.state ?? 'absent'
          t.true(isAsWanted(powerState, state), `${name} ${powerState} ${state}`)
        }
      }
      t.false(fake.calls.some((call) => call.endsWith('foreign')))
      t.is(fake.domains.get('foreign')?.state, 1)
    }),
    { numRuns: 40 },
  )
})
