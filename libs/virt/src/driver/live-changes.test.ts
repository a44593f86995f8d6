import { createVirtualClock, fact } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import type { NicSpec, VolumeDiskSpec } from '../domain/domain-spec.ts'
import { specHash } from '../domain/mark.ts'
import { domainXml } from '../domain/xml.ts'
import { createVirtDriver } from './driver.ts'
import { machineStatus } from './status.ts'
import type { MachineDesired } from './types.ts'

const diskOf = (volume: string, change: Partial<VolumeDiskSpec> = {}): VolumeDiskSpec => ({
  ...{ target: 'vda', attach: 'nbd', name: volume, volume, socket: `/run/b/${volume}.sock` },
  ...change,
})
const nicOf = (name: string, change: Partial<NicSpec> = {}): NicSpec => ({
  ...{ port: `web-1.${name}`, mac: '52:54:00:00:00:07', tapDevice: `tap-${name}`, mtu: 1500 },
  ...change,
})
/** A machine that may grow. */
const machine = (change: Partial<MachineDesired> = {}): MachineDesired =>
  machineOf('web-1', {
    ...{ accelerator: 'kvm', maximumCpus: 4, memoryMiB: 512, maximumMemoryMiB: 2048 },
    ...change,
  })

function bench(first: MachineDesired = machine()) {
  const fake = createFakeLibvirt()
  const clock = createVirtualClock()
  const driver = createVirtDriver({ libvirt: fake.port, clock })
  const { signal } = new AbortController()
  fake.add(domainXml(first), true)
  const conditions = async (wanted: MachineDesired): Promise<string[]> =>
    machineStatus(await driver.observe(signal), wanted).conditions.map(
      ({ type, reason }) => `${type} ${reason}`,
    )
  /** Executes plans until there is nothing left to do; gives the calls. */
  const reach = async (wanted: MachineDesired): Promise<string[]> => {
    fake.calls.length = 0
    for (let rounds = 0; rounds < 5; rounds++) {
      const steps = driver.plan({ machines: [wanted] }, await driver.observe(signal))
      if (steps.length === 0) break
      for (const step of steps) await driver.execute(step, signal)
    }
    return [...fake.calls]
  }
  return { fake, clock, driver, signal, reach, conditions }
}

const SETTLED = ['Ready Running', 'PendingRestart UpToDate', 'PendingDevices UpToDate']

test('a disk and a NIC come to a running machine, and nothing is left for a restart', async (t) => {
  const { reach, conditions, driver, signal } = bench()
  const wanted = machine({
    disks: [diskOf('a')],
    nics: [...machine().nics, nicOf('eth1')],
  })
  const [, ...steps] = driver.plan({ machines: [wanted] }, await driver.observe(signal))
  t.deepEqual(
    steps.map(({ verb, requires }) => [verb, requires]),
    [
      ['plug', [fact('volume', 'a', 'served')]],
      ['plug', [fact('nic', 'web-1.eth1', 'enforced'), fact('nic', 'web-1.eth1', 'plugged')]],
    ],
  )
  const calls = await reach(wanted)
  t.deepEqual(calls, [
    ...['define web-1', 'attach web-1 vda', 'mark web-1', 'attach web-1 tap-eth1', 'mark web-1'],
  ])
  t.deepEqual(await conditions(wanted), SETTLED)
  t.true(driver.facts(await driver.observe(signal)).has(fact('nic', 'web-1.eth1', 'in-use')))
})

test('an unplugged NIC is in use until its guest has let go of it', async (t) => {
  const { fake, reach, conditions, driver, signal } = bench(
    machine({ nics: [...machine().nics, nicOf('eth1')] }),
  )
  const inUse = async (): Promise<boolean> =>
    driver.facts(await driver.observe(signal)).has(fact('nic', 'web-1.eth1', 'in-use'))
  fake.yielding = false
  t.deepEqual(await reach(machine()), ['define web-1', 'detach web-1 interface1'])
  t.true(await inUse())
  t.deepEqual((await conditions(machine())).slice(1), [
    ...['PendingRestart UpToDate', 'PendingDevices Changing'],
  ])
  fake.yielding = true
  await fake.port.detachDevice('web-1', 'interface1', { deadlineMs: 1 })
  t.false(await inUse())
  t.deepEqual(await reach(machine()), ['mark web-1'])
  t.deepEqual(await conditions(machine()), SETTLED)
})

test('a guest that keeps a device is told of after ten seconds, and asked again after a minute', async (t) => {
  const { fake, clock, reach, conditions, driver, signal } = bench(
    machine({ disks: [diskOf('a')] }),
  )
  const reasons: string[] = []
  driver.watch((reason) => reasons.push(reason), signal)
  fake.yielding = false
  t.deepEqual(await reach(machine()), ['define web-1', 'detach web-1 disk0'])
  await clock.advance(9_999)
  t.deepEqual([await reach(machine()), reasons], [[], []])
  await clock.advance(1)
  t.deepEqual(reasons, ['the guest of machine web-1 was asked'])
  t.is((await conditions(machine()))[2], 'PendingDevices GuestRefuses')
  await clock.advance(50_000)
  t.deepEqual(await reach(machine()), ['detach web-1 disk0'])
  t.is((await conditions(machine()))[2], 'PendingDevices GuestRefuses')
})

test('a guest that says no is told of at once', async (t) => {
  const { fake, reach, conditions, driver, signal } = bench(machine({ disks: [diskOf('a')] }))
  driver.watch(() => undefined, signal)
  fake.yielding = false
  await reach(machine())
  const domain = { domain: 'web-1', uuid: machine().uuid }
  fake.emit({ kind: 'device', ...domain, device: 'disk0', event: 'refused' })
  t.is((await conditions(machine()))[2], 'PendingDevices GuestRefuses')
})

test('a disk that takes the place of another in the list is no other disk', async (t) => {
  const [a, b] = [diskOf('a'), diskOf('b', { target: 'vdb' })]
  const { reach, conditions, driver, signal } = bench(machine({ disks: [a, b] }))
  const wanted = machine({ disks: [diskOf('b')] })
  t.deepEqual(await reach(wanted), ['define web-1', 'detach web-1 disk0', 'mark web-1'])
  const again = machine({ disks: [diskOf('b'), diskOf('c', { target: 'vdb' })] })
  const calls = await reach(again)
  t.deepEqual(calls, ['define web-1', 'attach web-1 vda', 'mark web-1'], 'vdb is taken by b')
  t.deepEqual(await conditions(again), SETTLED)
  t.deepEqual(
    (await driver.observe(signal)).machines[0]?.live?.disks.map((one) => one.volume),
    [...['b', 'c']],
  )
})

test('processors and memory come and go within what the machine may have', async (t) => {
  const { reach, conditions } = bench()
  t.deepEqual(await reach(machine({ cpus: 3, memoryMiB: 1024 })), [
    ...['define web-1', 'cpus web-1 3', 'update web-1', 'mark web-1'],
  ])
  t.deepEqual(await conditions(machine({ cpus: 3, memoryMiB: 1024 })), SETTLED)
  t.deepEqual(await reach(machine({ cpus: 2, memoryMiB: 512 })), [
    ...['define web-1', 'cpus web-1 2', 'update web-1', 'mark web-1'],
  ])
  t.deepEqual(await reach(machine({ cpus: 2, memoryMiB: 256 })), [
    ...['define web-1', 'memory web-1 256', 'mark web-1'],
  ])
  t.deepEqual(await conditions(machine({ cpus: 2, memoryMiB: 256 })), SETTLED)
})

test('limits of a disk change while it is in use', async (t) => {
  const { reach, conditions } = bench(machine({ disks: [diskOf('a')] }))
  const limits = { iops: { perSecond: 100, burst: 400, burstSeconds: 30 } }
  const wanted = machine({ disks: [diskOf('a', { limits })] })
  t.deepEqual(await reach(wanted), ['define web-1', 'limit web-1 vda', 'mark web-1'])
  t.deepEqual(await conditions(wanted), SETTLED)
  t.deepEqual(await reach(machine({ disks: [diskOf('a')] })), [
    ...['define web-1', 'limit web-1 vda', 'mark web-1'],
  ])
})

for (const [what, change, names] of [
  ['more processors than it may have', { cpus: 5, maximumCpus: 8 }, 'maximumCpus, cpus'],
  ['another address of a NIC', { nics: [nicOf('eth0', { tapDevice: 'tap-web-1' })] }, 'nics'],
  ['another number of queues', { disks: [diskOf('a', { queues: 4 })] }, 'disks'],
  ['another kernel', { boot: { kernel: '/k', initrd: '/i', commandLine: '' } }, 'kernel'],
  [
    'a disk by vhost-user',
    { disks: [diskOf('a'), diskOf('b', { attach: 'vhost-user' })] },
    'disks',
  ],
] as const) {
  test(`${what} waits for the next start, and the condition names it`, async (t) => {
    const first = machine({ disks: [diskOf('a')] })
    const { reach, driver, signal } = bench(first)
    const wanted = { ...first, ...change }
    t.deepEqual(await reach(wanted), ['define web-1'])
    const pending = machineStatus(await driver.observe(signal), wanted).conditions[1]
    t.like(pending, { type: 'PendingRestart', status: 'true', reason: 'SpecChanged' })
    t.true(pending?.message.includes(`its former ${names}`), pending?.message)
  })
}

test('without KVM processors wait for the next start', async (t) => {
  const { reach, conditions } = bench(machine({ accelerator: 'tcg' }))
  const wanted = machine({ accelerator: 'tcg', cpus: 2 })
  t.deepEqual(await reach(wanted), ['define web-1'])
  t.true((await conditions(wanted)).includes('PendingRestart SpecChanged'))
})

test('a machine that was started by a release without slots keeps what waits for a restart', async (t) => {
  const fake = createFakeLibvirt()
  const driver = createVirtDriver({ libvirt: fake.port })
  const { signal } = new AbortController()
  const first = machineOf('web-1')
  const old = domainXml(first)
    .replaceAll('<controller type="pci" model="pcie-root-port"/>', '')
    .replace(' form="3"', '')
  fake.add(old, true)
  const plan = async (wanted: MachineDesired) =>
    driver.plan({ machines: [wanted] }, await driver.observe(signal))
  const steps = await plan(first)
  t.deepEqual(
    steps.map(({ summary }) => summary),
    ['redefine machine web-1 (form)'],
  )
  for (const step of steps) await driver.execute(step, signal)
  t.deepEqual(await plan(first), [])
  const settled = machineStatus(await driver.observe(signal), first).conditions
  t.deepEqual(
    settled.map(({ status }) => status),
    ['true', 'false', 'false'],
    'an upgrade leaves nothing pending',
  )
  const wanted = machineOf('web-1', { disks: [diskOf('a')] })
  t.deepEqual(
    (await plan(wanted)).map(({ verb }) => verb),
    ['redefine'],
  )
  const pending = machineStatus(await driver.observe(signal), wanted).conditions[1]
  t.like(pending, { type: 'PendingRestart', status: 'true', reason: 'NoFreeSlot' })
})

test('the hash of a machine without the newer fields is that of before', (t) => {
  t.is(specHash(machineOf('web-1')), '89d103d182852485')
  const disks = [diskOf('a'), { target: 'vdb', file: '/s', format: 'raw' as const, readonly: true }]
  t.is(specHash(machineOf('web-1', { disks })), 'dfaeded9e279c3a3')
  t.not(specHash(machineOf('web-1', { maximumCpus: 2 })), '89d103d182852485')
})

test('what another machine’s guest has not let go of is not given to the next', async (t) => {
  const { fake, driver, signal } = bench(machine({ disks: [diskOf('a')] }))
  const other = machineOf('web-2', { disks: [diskOf('a')] })
  const holds = fact('vm', 'web-1', 'holds-/run/b/a.sock')
  fake.yielding = false
  const observed = await driver.observe(signal)
  t.true(driver.facts(observed).has(holds))
  const steps = driver.plan({ machines: [machine(), other] }, observed)
  t.deepEqual(
    steps.filter(({ forbids }) => forbids.includes(holds)).map(({ verb }) => verb),
    ['start'],
  )
})

const anyMachine = fc
  .record({
    cpus: fc.integer({ min: 1, max: 4 }),
    memoryMiB: fc.integer({ min: 128, max: 1024 }).map((half) => half * 2),
    volumes: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
    nics: fc.uniqueArray(fc.constantFrom('eth1', 'eth2', 'eth3'), { maxLength: 3 }),
    iops: fc.option(fc.integer({ min: 1, max: 1_000 }), { nil: undefined }),
  })
  .map(({ cpus, memoryMiB, volumes, nics, iops }) =>
    machine({
      cpus,
      memoryMiB,
      nics: nics.map((name) => nicOf(name)),
      disks: volumes.map((volume, index) =>
        diskOf(volume, {
          target: `vd${'abcd'[index]}`,
          ...(iops !== undefined && { limits: { iops: { perSecond: iops } } }),
        }),
      ),
    }),
  )

test('from any devices to any others nothing is left to do, and no restart is pending', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyMachine, anyMachine, async (from, to) => {
      const { reach, conditions } = bench(from)
      const calls = await reach(to)
      t.false(calls.some((call) => call.startsWith('start')))
      t.deepEqual(await reach(to), [])
      t.deepEqual(await conditions(to), SETTLED)
    }),
    { numRuns: 30 },
  )
})
