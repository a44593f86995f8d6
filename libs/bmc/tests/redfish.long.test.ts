/** The library at the emulator of sushy-tools, over HTTPS. */
import { X509Certificate } from 'node:crypto'
import { PurlinError } from '@purlin/base'
import anyTest, { type TestFn } from 'ava'
import type { Bmc } from '../src/index.ts'
import { RedfishEmulator } from './support/redfish-emulator.ts'

const test = anyTest.serial as TestFn<{ emulator: RedfishEmulator; bmc: Bmc }>['serial']

test.before(async (t) => {
  const emulator = await RedfishEmulator.start()
  const sha256 = new X509Certificate(await emulator.certificates).fingerprint256
  t.context = { emulator, bmc: emulator.open({ by: 'pin', sha256 }) }
})

test.after.always(async (t) => {
  await t.context.bmc.close()
  await t.context.emulator.end()
})

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const thrown: unknown = await attempt.catch((error: unknown) => error)
  return thrown instanceof PurlinError ? thrown.code : `no typed error: ${String(thrown)}`
}

test('a pinned emulator is switched on, reset, cycled, softly off', async (t) => {
  const { bmc } = t.context
  t.is(await bmc.powerState(), 'off')
  await bmc.power('on')
  await bmc.powerReset()
  await bmc.powerCycle()
  t.is(await bmc.powerState(), 'on')
  t.is(await bmc.powerSoft({ deadlineMs: 60_000, otherwise: 'fail' }), 'soft')
  t.is(await bmc.powerState(), 'off')
})

test('asked for one boot the emulator makes it lasting: that is told, and cleared', async (t) => {
  const { bmc } = t.context
  const set = await bmc.setBootDevice({ device: 'pxe', lasting: false, firmware: 'uefi' })
  t.deepEqual(set, { device: 'pxe', lasting: true, firmware: 'uefi', valid: true })
  t.is((await bmc.clearBootDevice()).device, 'none')
  const other = await bmc.setBootDevice({ device: 'cdrom', lasting: true, firmware: 'bios' })
  t.deepEqual(other, { device: 'cdrom', lasting: true, firmware: 'bios', valid: true })
})

test('sensors, units, hardware and identity are those of the emulator', async (t) => {
  const { bmc } = t.context
  const sensors = await bmc.sensors()
  t.deepEqual(
    sensors.find(({ name }) => name === 'Chassis Intake Temp'),
    {
      ...{ name: 'Chassis Intake Temp', unit: 'degrees C', status: 'ok', reading: 25 },
      ...{ lowerCritical: 5, upperCritical: 40 },
    },
  )
  t.is(sensors.find(({ unit }) => unit === 'RPM')?.reading, 2_100)
  const units = await bmc.fieldUnits()
  const serials = units.flatMap(({ fields }) =>
    fields.filter(({ name }) => name === 'SerialNumber'),
  )
  t.deepEqual(serials, [{ name: 'SerialNumber', value: '437XR1138R2' }])
  t.deepEqual(await bmc.hardware(), { manufacturer: 'Sushy Emulator', controllerFirmware: '1.00' })
  t.deepEqual(await bmc.identity(), {
    ...{ uuids: ['27946b59-9e44-4fa7-8e91-f3527a1ef094'], serials: ['437XR1138R2'] },
  })
})

test('what the emulator has not is said to be unsupported', async (t) => {
  const { bmc } = t.context
  t.is(await codeOf(bmc.events()), 'PUR_BMC_UNSUPPORTED')
  t.is(await codeOf(bmc.console({ file: '/nowhere', bytesMax: 1_000 })), 'PUR_BMC_UNSUPPORTED')
})

test('a certificate is believed by its pin or its authority, and nothing else is sent a password', async (t) => {
  const { emulator } = t.context
  const certificates = await emulator.certificates
  t.is(await emulator.open({ by: 'authority', certificates }).powerState(), 'off')
  const wrongPin = emulator.open({ by: 'pin', sha256: '0'.repeat(64) })
  t.is(await codeOf(wrongPin.powerState()), 'PUR_BMC_CERTIFICATE')
  const stranger = emulator.open({ by: 'authority', certificates: '' })
  t.is(await codeOf(stranger.powerState()), 'PUR_BMC_CERTIFICATE')
})

test('a wrong password is told from a service that is down', async (t) => {
  const { emulator } = t.context
  const sha256 = new X509Certificate(await emulator.certificates).fingerprint256
  const wrong = emulator.open({ by: 'pin', sha256 }, 'wrong')
  t.is(await codeOf(wrong.powerState()), 'PUR_BMC_PASSWORD')
  const down = emulator.open({ by: 'pin', sha256 }, 'secret', 8_444)
  t.is(await codeOf(down.powerState()), 'PUR_BMC_UNREACHABLE')
})
