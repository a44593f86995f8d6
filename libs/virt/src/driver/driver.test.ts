import { createVirtualClock, type Fact, PurlinError } from '@purlin/base'
import test from 'ava'
import { createFakeClock } from '../../tests/support/fake-addon.ts'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createVirtDriver, type VirtDriver } from './driver.ts'
import type { VirtDesired, VirtStep } from './types.ts'

const FOREIGN = "<domain type='qemu'><name>web-1</name><uuid>x</uuid></domain>"

function bench(graceMs = 30) {
  const fake = createFakeLibvirt()
  const clock = createVirtualClock()
  const driver = createVirtDriver({ libvirt: fake.port, graceMs, clock })
  const { signal } = new AbortController()
  const reach = async (desired: VirtDesired): Promise<void> => {
    for (const step of await ready(driver, desired, signal)) await driver.execute(step, signal)
  }
  return { fake, driver, signal, reach, clock }
}

/** The steps that wait for no fact of the lane itself. */
async function ready(
  driver: VirtDriver,
  desired: VirtDesired,
  signal: AbortSignal,
): Promise<readonly VirtStep[]> {
  const observed = await driver.observe(signal)
  const facts = driver.facts(observed)
  const isOwn = (one: Fact): boolean => one.startsWith('vm/')
  return driver
    .plan(desired, observed)
    .filter(({ requires }) => requires.filter(isOwn).every((one) => facts.has(one)))
}

test('a guest that listens powers off by itself', async (t) => {
  const { fake, reach } = bench()
  await reach({ machines: [machineOf('web-1')] })
  await reach({ machines: [machineOf('web-1', { powerState: 'stopped' })] })
  t.deepEqual(fake.calls, ['define web-1', 'start web-1', 'shutdown web-1'])
})

test('a guest that does not listen loses its power after the grace', async (t) => {
  const { fake, reach, clock, driver, signal } = bench()
  fake.obedient = false
  await reach({ machines: [machineOf('web-1')] })
  const reasons: string[] = []
  driver.watch((reason) => reasons.push(reason), signal)
  const stopped = { machines: [machineOf('web-1', { powerState: 'stopped' })] }
  await reach(stopped)
  await clock.advance(29)
  await reach(stopped)
  t.deepEqual(fake.calls.slice(2), ['shutdown web-1'])
  t.deepEqual(reasons, [])
  await clock.advance(1)
  t.deepEqual(reasons, ['the grace of machine web-1 is over'])
  await reach(stopped)
  t.deepEqual(fake.calls.slice(2), ['shutdown web-1', 'destroy web-1'])
})

test('the grace is the machine’s own, may change while it runs, and 0 asks nobody', async (t) => {
  const { fake, reach, clock } = bench()
  fake.obedient = false
  const off = (graceMs: number) => ({
    machines: [machineOf('web-1', { powerState: 'stopped', graceMs })],
  })
  await reach({ machines: [machineOf('web-1')] })
  await reach(off(60_000))
  await clock.advance(5_000)
  await reach(off(5_000))
  t.deepEqual(fake.calls.slice(2), ['shutdown web-1'], 'it is asked once')
  await reach(off(5_000))
  t.deepEqual(fake.calls.slice(3), ['destroy web-1'])
  await reach({ machines: [machineOf('web-1')] })
  await reach(off(0))
  t.deepEqual(fake.calls.slice(4), ['start web-1', 'destroy web-1'])
})

test('a guest that was wanted off, and then not, is asked anew the next time', async (t) => {
  const { fake, reach, clock } = bench()
  fake.obedient = false
  const off = { machines: [machineOf('web-1', { powerState: 'stopped' })] }
  await reach({ machines: [machineOf('web-1')] })
  await reach(off)
  await clock.advance(60_030)
  await reach(off)
  t.deepEqual(fake.calls.slice(2), ['shutdown web-1', 'shutdown web-1'])
})

test('a saved machine has its memory back, or loses it for good', async (t) => {
  const { fake, reach, driver, signal } = bench()
  await reach({ machines: [machineOf('web-1')] })
  await reach({ machines: [machineOf('web-1', { powerState: 'suspended' })] })
  const [saved] = (await driver.observe(signal)).machines
  t.like(saved, { state: 'suspended', active: false, tapsInUse: [] })
  await reach({ machines: [machineOf('web-1', { powerState: 'paused' })] })
  t.is((await driver.observe(signal)).machines[0]?.state, 'paused')
  await reach({ machines: [machineOf('web-1', { powerState: 'suspended' })] })
  await reach({ machines: [machineOf('web-1', { powerState: 'stopped' })] })
  t.is((await driver.observe(signal)).machines[0]?.state, 'stopped')
  t.deepEqual(fake.calls.slice(2), ['save web-1', 'restore web-1', 'save web-1', 'discard web-1'])
})

test('saved memory that cannot be taken up is kept, and the error says the way out', async (t) => {
  const { fake, driver, signal, reach } = bench()
  await reach({ machines: [machineOf('web-1')] })
  await reach({ machines: [machineOf('web-1', { powerState: 'suspended' })] })
  const failing = {
    ...fake.port,
    restore: async () => {
      throw new PurlinError('PUR_VIRT_FAILED', { message: 'restoring domain web-1: bad header' })
    },
  }
  const other = createVirtDriver({ libvirt: failing, clock: createFakeClock() })
  const [restore] = other.plan({ machines: [machineOf('web-1')] }, await driver.observe(signal))
  if (restore === undefined) return t.fail('no step')
  const error = await t.throwsAsync(other.execute(restore, signal), { instanceOf: PurlinError })
  t.regex(error.message, /bad header; .*stop the machine, which throws it away/)
  return t.is((await driver.observe(signal)).machines[0]?.state, 'suspended')
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

test('a guest that powers off by itself is started again, or rests, as its policy says', async (t) => {
  const { fake, reach, driver, signal } = bench()
  const off = (name: string): void => {
    const domain = fake.domains.get(name)
    Object.assign(domain ?? {}, { state: 5, reason: 1, id: undefined })
  }
  const wanted = (generation: number): VirtDesired => ({
    machines: [
      machineOf('a', { generation }),
      machineOf('b', { generation, restart: 'onCrash' }),
      machineOf('c', { generation, restart: 'never', autostart: false }),
    ],
  })
  await reach(wanted(1))
  await driver.observe(signal)
  for (const name of ['a', 'b', 'c']) off(name)
  fake.calls.length = 0
  await reach(wanted(1))
  t.deepEqual(fake.calls, ['start a'])
  await driver.startAnew(fake.domains.get('b')?.uuid ?? '')
  await reach(wanted(1))
  t.deepEqual(fake.calls.slice(1), ['start b'])
  await reach(wanted(2))
  t.deepEqual(fake.calls.slice(2), ['start c'])
})

test('a foreign domain is seen with its state and size', async (t) => {
  const { fake, driver, signal } = bench()
  fake.add(FOREIGN.replace('</uuid>', "</uuid><vcpu>3</vcpu><memory unit='GiB'>2</memory>"), true)
  fake.add(FOREIGN.replace('web-1', 'bare'))
  t.deepEqual((await driver.observe(signal)).foreign, [
    { name: 'bare', uuid: 'x', state: 'stopped', cpus: 0, memoryMiB: 0 },
    { name: 'web-1', uuid: 'x', state: 'running', cpus: 3, memoryMiB: 2_048 },
  ])
})
