import { PurlinError } from '@purlin/base'
import test from 'ava'
import { createFakeClock } from '../../tests/support/fake-addon.ts'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createVirtDriver } from '../driver/driver.ts'
import { MachineHolds } from './holds.ts'
import { memorySnapshotXml } from './snapshot-xml.ts'
import { createStillness } from './stillness.ts'

const machine = machineOf('web-1', { nics: [] })
const { signal } = new AbortController()

function bench(active = true) {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machine), active)
  const holds = new MachineHolds()
  const grounds = { libvirt: fake.port, clock: createFakeClock(), holds }
  const driver = createVirtDriver({ ...grounds })
  return { fake, holds, driver, stillness: createStillness(grounds) }
}

test('a running machine stands still, and goes on at the end; the lane leaves it alone meanwhile', async (t) => {
  const { fake, holds, driver, stillness } = bench()
  const still = await stillness.begin(machine, signal)
  t.is(still.before, 'running')
  t.is(fake.domains.get('web-1')?.state, 3)
  const desired = { machines: [machine] }
  t.deepEqual(driver.plan(desired, await driver.observe(signal)), [])
  await still.saveMemory('/memory/web-1.u.memory')
  t.true(await still.lasted())
  await still.end()
  t.is(fake.domains.get('web-1')?.state, 1)
  t.false(holds.has('web-1'))
  t.deepEqual(fake.calls, ['suspend web-1', 'snapshot web-1', 'resume web-1'])
})

test('a step of the lane that was planned before is not executed on a machine that stands still', async (t) => {
  const { fake, driver, stillness } = bench()
  await fake.port.suspend('web-1', { deadlineMs: 1 })
  const steps = driver.plan({ machines: [machine] }, await driver.observe(signal))
  t.deepEqual(
    steps.map(({ verb }) => verb),
    ['resume'],
  )
  const still = await stillness.begin(machine, signal)
  for (const step of steps) await driver.execute(step, signal)
  t.true(await still.lasted())
  await still.end()
  t.is(fake.domains.get('web-1')?.state, 3, 'it stood still before')
})

test('a machine that somebody let go on, or that ended, has not stood still', async (t) => {
  for (const meddle of ['resume', 'destroy'] as const) {
    const { fake, stillness } = bench()
    const still = await stillness.begin(machine, signal)
    await fake.port[meddle]('web-1', { deadlineMs: 1 })
    if (meddle === 'resume') await fake.port.suspend('web-1', { deadlineMs: 1 })
    t.false(await still.lasted(), meddle)
    await still.end()
  }
})

test('events of before that come late are no moves', async (t) => {
  const { fake, stillness } = bench()
  const { suspend } = fake.port
  const port = fake.port as { suspend: typeof suspend }
  port.suspend = async (name, options) => {
    const { uuid } = machine
    fake.emit({ kind: 'lifecycle', domain: name, uuid, event: 'resumed', detail: 0 })
    await suspend(name, options)
  }
  const still = await stillness.begin(machine, signal)
  t.true(await still.lasted())
  await still.end()
})

test('a machine that is off stays off; one that is neither is refused, and the lane has it back', async (t) => {
  const { fake, holds, stillness } = bench(false)
  const still = await stillness.begin(machine, signal)
  t.is(still.before, 'stopped')
  t.true(await still.lasted())
  await still.end()
  t.deepEqual(fake.calls, [])
  await fake.port.start('web-1', { deadlineMs: 1 })
  await fake.port.save('web-1', { deadlineMs: 1 })
  await t.throwsAsync(stillness.begin(machine, signal), { code: 'PUR_VIRT_POWER' })
  await t.throwsAsync(stillness.begin({ ...machine, uuid: 'other' }, signal), {
    code: 'PUR_VIRT_NO_DOMAIN',
  })
  t.false(holds.has('web-1'))
})

test('where a pause fails the machine is let go on', async (t) => {
  const { fake, holds, stillness } = bench()
  const { suspend } = fake.port
  const port = fake.port as { suspend: typeof suspend }
  port.suspend = async (name, options) => {
    await suspend(name, options)
    throw new PurlinError('PUR_VIRT_UNREACHABLE', { message: 'its answer was lost' })
  }
  await t.throwsAsync(stillness.begin(machine, signal), { code: 'PUR_VIRT_UNREACHABLE' })
  t.is(fake.domains.get('web-1')?.state, 1)
  t.false(holds.has('web-1'))
})

test('a machine with a file of memory starts with that, standing still, whatever its policy of restarts', async (t) => {
  const { fake, driver } = bench(false)
  const back = { ...machine, powerState: 'paused' as const, memoryFile: '/memory/web-1.u.memory' }
  const desired = { machines: [{ ...back, restart: 'never' as const }] }
  const steps = driver.plan(desired, await driver.observe(signal))
  for (const step of steps) await driver.execute(step, signal)
  t.deepEqual(fake.calls, ['restore-file /memory/web-1.u.memory'])
  t.is(fake.domains.get('web-1')?.state, 3)
  t.deepEqual(driver.plan(desired, await driver.observe(signal)), [])
})

test('the XML of kept memory leaves every disk out, and no name breaks out of it', (t) => {
  const xml = memorySnapshotXml(`/memory/a'"<&.memory`, ['vda', 'vdb'])
  t.is(
    xml,
    '<domainsnapshot><memory snapshot="external" file="/memory/a&apos;&quot;&lt;&amp;.memory"></memory><disks><disk name="vda" snapshot="no"></disk><disk name="vdb" snapshot="no"></disk></disks></domainsnapshot>',
  )
})
