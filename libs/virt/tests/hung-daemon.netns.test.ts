import { PurlinError, systemClock } from '@purlin/base'
import test from 'ava'
import {
  createGuestAgent,
  createNativeLibvirt,
  createVirtDriver,
  type LibvirtEvent,
  rebootMachine,
} from '../src/index.ts'
import { recordEvents } from './support/await-event.ts'
import { probeImage } from './support/guest-image.ts'
import { machineOf } from './support/machines.ts'
import { createPrivateHost } from './support/private-host.ts'

const host = await createPrivateHost()
const libvirt = createNativeLibvirt({
  uri: host.uri,
  keepAlive: { intervalSeconds: 1, count: 3 },
  openDeadlineMs: 1_000,
  backoff: { firstMs: 50, longestMs: 400 },
})
const driver = createVirtDriver({ libvirt })
const agent = createGuestAgent({ libvirt, clock: systemClock })
const { signal } = new AbortController()
const machine = machineOf('web-1', {
  boot: probeImage(),
  nics: [],
  serialLogFile: `${host.state}/log/web-1.serial`,
})
test.after.always(async () => {
  libvirt.close()
  await host.remove()
})

const isConnection =
  (state: 'connected' | 'lost') =>
  (event: LibvirtEvent): boolean =>
    event.kind === 'connection' && event.state === state

const qemuProcess = async (): Promise<string> => await host.run('pgrep', '-x', 'qemu-system-x86')

test.serial('a guest runs', async (t) => {
  for (const step of driver.plan({ machines: [machine] }, await driver.observe(signal))) {
    await driver.execute(step, signal)
  }
  await agent.waitForAgent('web-1', 90_000)
  t.is((await driver.observe(signal)).machines[0]?.state, 'running')
})

// Several calls at a time on one connection that keep-alive ended, then a daemon that went on, once
// killed the process: libvirt before 10.4 kept a pointer into the stack of another thread
// (CVE-2024-4418).
test.serial(
  'a stopped daemon fails calls by keep-alive and openings by their deadline',
  async (t) => {
    const record = recordEvents(libvirt)
    let ticks = 0
    const ticking = setInterval(() => ticks++, 20)
    await host.signalLibvirtd('STOP')
    const long = { deadlineMs: 100_000 }
    const calls = [libvirt.listDomains(long), libvirt.hostname(long), driver.observe(signal)]
    const codes = await Promise.all(
      calls.map((call) =>
        call.then(
          () => 'no error',
          (error: PurlinError) => error.code,
        ),
      ),
    )
    t.true(codes.includes('PUR_VIRT_UNREACHABLE'))
    t.false(codes.includes('no error') || codes.includes('PUR_VIRT_TIMEOUT'))
    t.true(ticks > 10, 'timers of Node went on meanwhile')
    clearInterval(ticking)
    await record.next(isConnection('lost'))
    const opening = await t.throwsAsync(libvirt.hostname(long), { instanceOf: PurlinError })
    t.is(opening.code, 'PUR_VIRT_UNREACHABLE')
    t.regex(opening.message, /no answer within 1000 ms/)
    t.not(libvirt.state().connection, 'connected')
  },
)

test.serial('the daemon goes on, and so does everything', async (t) => {
  const record = recordEvents(libvirt)
  await host.signalLibvirtd('CONT')
  await record.next(isConnection('connected'))
  t.is((await driver.observe(signal)).machines[0]?.state, 'running')
  await agent.ping('web-1', { deadlineMs: 20_000 })
  t.deepEqual(driver.plan({ machines: [machine] }, await driver.observe(signal)), [])
})

test.serial('a killed daemon takes no guest with it, and its successor sees them', async (t) => {
  const before = await qemuProcess()
  const record = recordEvents(libvirt)
  await host.signalLibvirtd('KILL')
  await record.next(isConnection('lost'))
  t.is(await qemuProcess(), before)
  await host.startLibvirtd()
  await record.next(isConnection('connected'))
  const [found] = (await driver.observe(signal)).machines
  t.like(found, { name: 'web-1', state: 'running', active: true })
  t.is(await qemuProcess(), before)
  await agent.waitForAgent('web-1', 30_000)
  const outcome = await agent.exec(
    'web-1',
    { command: ['/bin/busybox', 'echo', 'here'] },
    { deadlineMs: 20_000 },
  )
  t.is(outcome.stdout, 'here\n')
})

test.serial('a daemon that hangs in a reboot leaves it open whether it was done', async (t) => {
  await host.signalLibvirtd('STOP')
  const rebooting = rebootMachine(libvirt, systemClock, 'web-1', { graceMs: 60_000, signal })
  await t.throwsAsync(rebooting, { code: 'PUR_VIRT_UNCERTAIN' })
  const record = recordEvents(libvirt)
  await host.signalLibvirtd('CONT')
  await record.next(isConnection('connected'))
  t.is((await driver.observe(signal)).machines[0]?.state, 'running')
})

test.serial('a daemon that hangs in a suspend fails the step, and the next goes on', async (t) => {
  const wanted = { machines: [{ ...machine, powerState: 'suspended' as const }] }
  const [save] = driver.plan(wanted, await driver.observe(signal))
  if (save === undefined) return t.fail('no step')
  await host.signalLibvirtd('STOP')
  await t.throwsAsync(driver.execute(save, signal), { code: 'PUR_VIRT_UNREACHABLE' })
  const record = recordEvents(libvirt)
  await host.signalLibvirtd('CONT')
  await record.next(isConnection('connected'))
  // What was sent before may still take effect, so that it is done by now or is done here.
  for (const step of driver.plan(wanted, await driver.observe(signal))) {
    await driver.execute(step, signal)
  }
  return t.is((await driver.observe(signal)).machines[0]?.state, 'suspended')
})
