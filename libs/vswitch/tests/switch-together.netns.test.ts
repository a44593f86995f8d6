import test from 'ava'
import { createVswitchDriver, type VswitchDesired, type VswitchStep } from '../src/index.ts'
import { ip, startHost, type TestHost, until } from './support/host.ts'
import { factsNow, planNow, reconcileOnce } from './support/reconcile.ts'
import { dvs0, keyOf, nothing, portOf } from './support/scenario.ts'

const DEADLINE_MS = 60_000
let host: TestHost
let driver: ReturnType<typeof createVswitchDriver>

test.before(async () => {
  host = await startHost()
  driver = createVswitchDriver({
    databaseSocket: host.databaseSocket,
    datapath: 'auto',
    runFolder: host.runFolder,
  })
})

test.after.always(async () => {
  await reconcileOnce(driver, nothing).catch(() => {})
  driver.close()
  await host.stop()
})

const numbers = Array.from({ length: 12 }, (_none, index) => index + 1)
const wanted = (count = numbers.length): VswitchDesired => ({
  ...nothing,
  switches: [dvs0],
  ports: numbers.slice(0, count).map((number) => ({
    ...portOf(number, 100),
    ...(number % 2 === 0 && { qos: { inbound: { kbitPerSecond: 1_000 * number } } }),
  })),
})

/** Executes all steps of the plan, which must go together, as one; failures by step. */
async function executeAll(desired: VswitchDesired) {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const steps = driver.plan(desired, await driver.observe(signal))
  const group = steps.slice(0, driver.together(steps))
  const failed = await driver.executeTogether(group, signal)
  return [...failed].map(([step, { code, message }]) => `${portIn(step)} ${code}: ${message}`)
}

function portIn(step: VswitchStep): string {
  if (step.kind === 'plug') return step.port.port
  return step.kind === 'unplug' ? step.port : step.kind
}

test.serial('ports are made together, each as it would be alone', async (t) => {
  await reconcileOnce(driver, wanted(0))
  t.deepEqual(await executeAll(wanted()), [])
  t.deepEqual(await planNow(driver, wanted()), [])
  t.is((await factsNow(driver)).length, numbers.length)
  const rate = await host.vsctl('get', 'port', `pout-${keyOf(4)}`, 'qos')
  t.is(await host.vsctl('get', 'qos', rate, 'other_config:max-rate'), '"4000000"')
  t.is(await host.vsctl('get', 'port', `pout-${keyOf(5)}`, 'qos'), '[]')
})

test.serial('ports are removed together, and a stranger’s links stay', async (t) => {
  await ip('link', 'add', 'plain0', 'type', 'bridge')
  // A deletion that was cut short leaves links in the kernel's group of those that go.
  await ip('link', 'set', 'dev', 'plain0', 'group', String(0x70757270))
  t.deepEqual(await executeAll(wanted(0)), [])
  t.notRegex(await ip('link', 'show'), /p(br|in|out)-/)
  t.regex(await ip('link', 'show', 'plain0'), /group default/)
  t.is(await host.vsctl('list-ports', 'dvs0'), '')
  t.is(await host.vsctl('--columns=_uuid', 'list', 'qos'), '')
  await ip('link', 'delete', 'plain0')
})

test.serial('of ports that are made together the one that cannot be fails alone', async (t) => {
  const [taken, hidden] = [keyOf(3), keyOf(8)]
  await ip('link', 'add', `pbr-${taken}`, 'type', 'bridge')
  await host.vsctl('--no-wait', 'add-port', 'dvs0', `pout-${hidden}`)
  const [first, second, ...others] = await executeAll(wanted())
  t.regex(
    first ?? '',
    /^vm-3.eth0 PUR_SWITCH_NAME_TAKEN: plug vm-3.eth0: pbr-00000003 exists already/,
  )
  t.regex(second ?? '', /^vm-8.eth0 PUR_SWITCH_NAME_TAKEN: put pout-00000008 into switch dvs0/)
  t.deepEqual(others, [])
  t.is((await factsNow(driver)).length, numbers.length - 2)
  t.regex(await ip('link', 'show', `pbr-${taken}`), /state DOWN/, 'it stays as it was')
  await ip('link', 'delete', `pbr-${taken}`)
  await host.vsctl('del-port', `pout-${hidden}`)
  t.deepEqual(await executeAll(wanted()), [])
  t.deepEqual(await planNow(driver, wanted()), [])
})

test.serial('ports that were damaged together are mended together, in place', async (t) => {
  const number = (key: string) => host.vsctl('get', 'interface', `pout-${key}`, 'ofport')
  const before = await number(keyOf(2))
  await host.vsctl('--no-wait', 'set', 'port', `pout-${keyOf(2)}`, 'tag=7')
  await ip('link', 'delete', `pin-${keyOf(5)}`)
  await ip('link', 'delete', `pbr-${keyOf(6)}`)
  t.is((await planNow(driver, wanted())).length, 3)
  t.deepEqual(await executeAll(wanted()), [])
  t.deepEqual(await planNow(driver, wanted()), [])
  t.is(await number(keyOf(2)), before)
})

test.serial('when the database is gone all fail alike, and nothing is lost after', async (t) => {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const steps = driver.plan(wanted(0), await driver.observe(signal))
  await host.killDatabase()
  const failed = await driver.executeTogether(steps, signal)
  t.is(failed.size, numbers.length)
  t.deepEqual([...new Set([...failed.values()].map(({ code }) => code))], ['PUR_OVS_UNREACHABLE'])
  await host.startDatabase()
  await until(async () => (await planNow(driver, wanted()).catch(() => ['no'])).length === 0)
  t.deepEqual(await executeAll(wanted(0)), [])
  t.deepEqual(await planNow(driver, wanted(0)), [])
})
