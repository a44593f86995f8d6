import { createVirtualClock, PurlinError } from '@purlin/base'
import test from 'ava'
import type { BootDevice, PowerState } from './bmc.ts'
import { bmcError } from './bmc-error.ts'
import type { BmcDriver, PowerAction } from './driver.ts'
import { createCommandPool } from './queue/pool.ts'
import { QueuedBmc } from './queued-bmc.ts'

interface Machine {
  state: PowerState
  boot: BootDevice
  readonly actions: PowerAction[]
  obeys: (action: PowerAction) => boolean
}

function machineOf(obeys: Machine['obeys'] = () => true) {
  const clock = createVirtualClock()
  const boot: BootDevice = { device: 'none', lasting: false, valid: true }
  const machine: Machine = { state: 'off', boot, actions: [], obeys }
  const none = async () => []
  const driver: BmcDriver = {
    ...{ address: '10.9.0.4', leastGapMs: 1_000 },
    powerState: async () => machine.state,
    control: async (action) => {
      machine.actions.push(action)
      if (!machine.obeys(action)) return
      machine.state = action === 'on' || action === 'reset' ? 'on' : 'off'
    },
    readBoot: async () => machine.boot,
    writeBoot: async (request) => {
      machine.boot = { ...request, valid: true }
    },
    ...{ sensors: none, fieldUnits: none, events: none, clearEvents: async () => {} },
    ...{ hardware: async () => ({}), identity: async () => ({ uuids: [], serials: [] }) },
  }
  const bmc = new QueuedBmc({ name: 'c1', driver, pool: createCommandPool(), clock })
  return { clock, machine, driver, bmc }
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const thrown: unknown = await attempt.catch((error: unknown) => error)
  return thrown instanceof PurlinError ? thrown.code : `no typed error: ${String(thrown)}`
}

test('power on returns when it is reported; asked again it changes nothing', async (t) => {
  const { clock, machine, bmc } = machineOf()
  const both = bmc.power('on').then(() => bmc.power('on'))
  await clock.advance(60_000)
  await both
  t.deepEqual([machine.state, machine.actions], ['on', ['on']])
})

test('a BMC that says yes and leaves the power as it is is found out', async (t) => {
  const { clock, bmc } = machineOf(() => false)
  const stuck = codeOf(bmc.power('on', { deadlineMs: 30_000 }))
  await clock.advance(60_000)
  t.is(await stuck, 'PUR_BMC_POWER_STUCK')
})

test('a cycle is off and on, and a machine that is off is switched on', async (t) => {
  const { clock, machine, bmc } = machineOf()
  const first = bmc.powerCycle()
  await clock.advance(60_000)
  await first
  const second = bmc.powerCycle()
  await clock.advance(60_000)
  await second
  t.deepEqual(machine.actions, ['on', 'off', 'on'])
})

test('a soft off that is obeyed says so; of a machine that is off too', async (t) => {
  const { clock, machine, bmc } = machineOf()
  machine.state = 'on'
  const soft = bmc.powerSoft({ deadlineMs: 60_000, otherwise: 'fail' })
  await clock.advance(60_000)
  t.is(await soft, 'soft')
  const again = bmc.powerSoft({ deadlineMs: 60_000, otherwise: 'fail' })
  await clock.advance(60_000)
  t.is(await again, 'soft')
  t.deepEqual(machine.actions, ['soft'])
})

test('a soft off that is ignored cuts the power only where the caller says so', async (t) => {
  const { clock, machine, bmc } = machineOf((action) => action !== 'soft')
  machine.state = 'on'
  const failing = codeOf(bmc.powerSoft({ deadlineMs: 20_000, otherwise: 'fail' }))
  await clock.advance(60_000)
  t.is(await failing, 'PUR_BMC_POWER_STUCK')
  t.deepEqual([machine.state, machine.actions], ['on', ['soft', 'soft']])
  const cutting = bmc.powerSoft({ deadlineMs: 20_000, otherwise: 'off' })
  await clock.advance(60_000)
  t.is(await cutting, 'cut')
  t.deepEqual([machine.state, machine.actions], ['off', [...Array(4).fill('soft'), 'off']])
})

test('the power button is pressed again halfway: a system that was still starting hears the second', async (t) => {
  let presses = 0
  const { clock, machine, driver, bmc } = machineOf((action) => action !== 'soft' || ++presses > 1)
  machine.state = 'on'
  const soft = bmc.powerSoft({ deadlineMs: 60_000, otherwise: 'fail' })
  await clock.advance(25_000)
  t.deepEqual([machine.state, machine.actions], ['on', ['soft']])
  await clock.advance(35_000)
  t.is(await soft, 'soft')
  t.deepEqual([machine.state, machine.actions], ['off', ['soft', 'soft']])

  // A BMC that refuses the second press has not failed: the first may still be obeyed.
  machine.state = 'on'
  const { control } = driver
  const subject = { name: 'c1', address: '10.9.0.4' }
  let asked = 0
  driver.control = async (action, signal) => {
    if (action !== 'soft') return await control(action, signal)
    if (asked++ > 0) throw bmcError('PUR_BMC_REFUSED', subject, 'power soft', 'on its way')
  }
  const late = bmc.powerSoft({ deadlineMs: 60_000, otherwise: 'fail' })
  await clock.advance(40_000)
  machine.state = 'off'
  await clock.advance(20_000)
  t.is(await late, 'soft')
})

test('a BMC that cannot ask for a soft off is not waited for', async (t) => {
  const { clock, machine, driver, bmc } = machineOf()
  machine.state = 'on'
  const subject = { name: 'c1', address: '10.9.0.4' }
  const { control } = driver
  driver.control = async (action, signal) => {
    if (action === 'soft') throw bmcError('PUR_BMC_UNSUPPORTED', subject, 'power soft', 'no')
    await control(action, signal)
  }
  const failing = codeOf(bmc.powerSoft({ deadlineMs: 600_000, otherwise: 'fail' }))
  await clock.advance(10_000)
  t.is(await failing, 'PUR_BMC_UNSUPPORTED')
  const cutting = bmc.powerSoft({ deadlineMs: 600_000, otherwise: 'off' })
  await clock.advance(10_000)
  t.is(await cutting, 'cut')
})

test('a look that fails while the power changes is no answer', async (t) => {
  const { clock, machine, driver, bmc } = machineOf()
  const subject = { name: 'c1', address: '10.9.0.4' }
  let failures = 0
  driver.powerState = async () => {
    if (machine.actions.length > 0 && failures < 7) {
      failures += 1
      throw bmcError('PUR_BMC_NO_ANSWER', subject, 'power status', 'silence')
    }
    return machine.state
  }
  const on = bmc.power('on')
  await clock.advance(60_000)
  await on
  t.is(failures, 7)
})

test('a boot device is read back, and one that is ignored is an error', async (t) => {
  const { clock, driver, bmc } = machineOf()
  const request = { device: 'pxe', lasting: false, firmware: 'uefi' } as const
  const set = bmc.setBootDevice(request)
  await clock.advance(10_000)
  t.deepEqual(await set, { ...request, valid: true })
  driver.writeBoot = async () => {}
  const ignored = codeOf(bmc.setBootDevice({ ...request, device: 'disk' }))
  await clock.advance(10_000)
  t.is(await ignored, 'PUR_BMC_BOOT_IGNORED')
})

test('once that became always is told, and cleared on demand', async (t) => {
  const { clock, machine, driver, bmc } = machineOf()
  driver.writeBoot = async (request) => {
    machine.boot = { ...request, lasting: true, valid: true }
  }
  const set = bmc.setBootDevice({ device: 'pxe', lasting: false, firmware: 'uefi' })
  await clock.advance(10_000)
  t.true((await set).lasting)
  const cleared = bmc.clearBootDevice()
  await clock.advance(10_000)
  t.is((await cleared).device, 'none')
})

test('a protocol without a console says so', async (t) => {
  const { bmc } = machineOf()
  t.is(await codeOf(bmc.console({ file: '/nowhere', bytesMax: 1_000 })), 'PUR_BMC_UNSUPPORTED')
})
