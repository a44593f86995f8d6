import { PurlinError } from '@purlin/base'
import test from 'ava'
import { createFakeClock } from '../../tests/support/fake-addon.ts'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createVirtDriver } from './driver.ts'
import type { VirtDesired } from './types.ts'

const FOREIGN = "<domain type='qemu'><name>web-1</name><uuid>x</uuid></domain>"

function bench(graceMs = 30) {
  const fake = createFakeLibvirt()
  const driver = createVirtDriver({ libvirt: fake.port, graceMs })
  const { signal } = new AbortController()
  const reach = async (desired: VirtDesired): Promise<void> => {
    for (const step of driver.plan(desired, await driver.observe(signal))) {
      await driver.execute(step, signal)
    }
  }
  return { fake, driver, signal, reach }
}

test('a guest that listens powers off by itself', async (t) => {
  const { fake, reach } = bench()
  await reach({ machines: [machineOf('web-1')] })
  await reach({ machines: [machineOf('web-1', { powerState: 'stopped' })] })
  t.deepEqual(fake.calls, ['define web-1', 'start web-1', 'shutdown web-1'])
})

test('a guest that does not listen loses its power after the grace', async (t) => {
  const { fake, reach } = bench()
  fake.obedient = false
  await reach({ machines: [machineOf('web-1')] })
  await reach({ machines: [machineOf('web-1', { powerState: 'stopped' })] })
  t.deepEqual(fake.calls.slice(2), ['shutdown web-1', 'destroy web-1'])
})

test('a paused guest cannot listen and is not asked', async (t) => {
  const { fake, reach } = bench()
  await reach({ machines: [machineOf('web-1')] })
  await fake.port.suspend('web-1', { deadlineMs: 1 })
  await reach({ machines: [machineOf('web-1', { powerState: 'stopped' })] })
  t.deepEqual(fake.calls.slice(3), ['destroy web-1'])
})

test('a guest that stopped on an I/O error goes on, and is held back where it stops again', async (t) => {
  const { fake, reach, driver, signal } = bench()
  await reach({ machines: [machineOf('web-1')] })
  const stopOnError = (): void => {
    Object.assign(fake.domains.get('web-1') ?? {}, { state: 3, reason: 5 })
  }
  stopOnError()
  t.true((await driver.observe(signal)).machines[0]?.ioError)
  await reach({ machines: [machineOf('web-1')] })
  t.deepEqual(fake.calls.slice(2), ['resume web-1'])
  stopOnError()
  const error = await t.throwsAsync(reach({ machines: [machineOf('web-1')] }), {
    instanceOf: PurlinError,
  })
  t.is(error.code, 'PUR_VIRT_IO_ERROR')
  t.deepEqual(fake.calls.slice(3), [])
})

test('a foreign domain of the name is an error that touches nothing', async (t) => {
  const { fake, reach } = bench()
  fake.add(FOREIGN, true)
  const error = await t.throwsAsync(reach({ machines: [machineOf('web-1')] }), {
    instanceOf: PurlinError,
  })
  t.is(error.code, 'PUR_VIRT_NAME_TAKEN')
  t.deepEqual(fake.calls, [])
})

test('a domain that became foreign between plan and step is not touched', async (t) => {
  const { fake, driver, signal } = bench()
  fake.add(domainXml(machineOf('web-1')), true)
  const steps = driver.plan({ machines: [] }, await driver.observe(signal))
  const domain = fake.domains.get('web-1')
  if (domain === undefined) return t.fail('no domain')
  domain.xml = FOREIGN
  domain.inactiveXml = FOREIGN
  for (const step of steps) {
    const error = await t.throwsAsync(driver.execute(step, signal), { instanceOf: PurlinError })
    t.is(error.code, 'PUR_VIRT_NAME_TAKEN')
  }
  return t.deepEqual(fake.calls, [])
})

test('a step that was done already does nothing the second time', async (t) => {
  const { fake, driver, signal } = bench()
  const desired = { machines: [machineOf('web-1')] }
  const steps = driver.plan(desired, await driver.observe(signal))
  for (const step of [...steps, ...steps]) await driver.execute(step, signal)
  t.deepEqual(
    fake.calls.filter((call) => call.startsWith('start')),
    ['start web-1'],
  )
  const removal = driver.plan({ machines: [] }, await driver.observe(signal))
  for (const step of [...removal, ...removal]) await driver.execute(step, signal)
  t.is(fake.domains.size, 0)
})

test('a definition that libvirt changes on the way is an error that names what differs', async (t) => {
  const { fake, driver, signal } = bench()
  const stubborn = {
    ...fake.port,
    defineXml: (xml: string) =>
      fake.port.defineXml(xml.replace('<vcpu>1<', '<vcpu>2<'), { deadlineMs: 1 }),
  }
  const [define] = driver.plan({ machines: [machineOf('web-1')] }, await driver.observe(signal))
  if (define === undefined) return t.fail('no step')
  const other = createVirtDriver({ libvirt: stubborn, clock: createFakeClock() })
  const error = await t.throwsAsync(other.execute(define, signal), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_VIRT_FAILED')
  return t.deepEqual(error.context, { differs: ['cpus'] })
})

test('a failure holds up its own machine alone', async (t) => {
  const { driver, signal } = bench()
  const desired = { machines: [machineOf('a'), machineOf('b')] }
  const [defineA, startA, defineB] = driver.plan(desired, await driver.observe(signal))
  if (!defineA || !startA || !defineB) return t.fail('steps are missing')
  t.false(driver.independent(defineA, startA))
  return t.true(driver.independent(defineA, defineB))
})

test('an active machine and its NICs are facts', async (t) => {
  const { driver, signal, reach } = bench()
  await reach({ machines: [machineOf('a'), machineOf('b', { powerState: 'stopped' })] })
  t.deepEqual([...driver.facts(await driver.observe(signal))].map(String), [
    'vm/a/running',
    'nic/a.eth0/in-use',
  ])
})

test('a watcher hears of lifecycle, connection and missed events until it is given up', (t) => {
  const { fake, driver } = bench()
  const controller = new AbortController()
  const reasons: string[] = []
  driver.watch((reason) => reasons.push(reason), controller.signal)
  const domain = { domain: 'a', uuid: 'u' }
  fake.emit({ kind: 'lifecycle', ...domain, event: 'stopped', detail: 1 })
  fake.emit({ kind: 'agent', ...domain, state: 'connected', reason: 'channel' })
  fake.emit({ kind: 'reboot', ...domain })
  fake.emit({ kind: 'missed', count: 3 })
  fake.emit({ kind: 'connection', state: 'lost', reason: 'the daemon closed it' })
  controller.abort()
  fake.emit({ kind: 'missed', count: 4 })
  t.deepEqual(reasons, [
    'domain a stopped',
    '3 events of libvirt missed',
    'libvirt lost: the daemon closed it',
  ])
})
