/** The library at a real ipmi_sim, through the real ipmitool; the chassis is a folder of files. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import anyTest, { type TestFn } from 'ava'
import { compareIdentity } from '../src/index.ts'
import { PASSWORD, SimulatedChassis, untilTrue } from './support/simulated-chassis.ts'

const test = anyTest.serial as TestFn<{
  chassis: SimulatedChassis
  down: Promise<string>
}>['serial']

test.before(async (t) => {
  const chassis = await SimulatedChassis.start()
  // ipmitool gives up after seconds of silence; meanwhile the other tests run.
  t.context = { chassis, down: codeOf(chassis.open({ port: 9_002, tries: 1 }).powerState()) }
})

test.after.always(async (t) => {
  const { chassis } = t.context
  await chassis.close()
  const left = await readdir(join(chassis.folder, 'secrets'))
  await chassis.end()
  t.deepEqual(left, [], 'no password file is left')
})

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const thrown: unknown = await attempt.catch((error: unknown) => error)
  return thrown instanceof PurlinError ? thrown.code : `no typed error: ${String(thrown)}`
}

test('a real BMC that knows suite 3 alone is switched on, reset, cycled and off', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  t.is(await bmc.powerState(), 'off')
  await bmc.power('on')
  t.is(await bmc.powerState(), 'on')
  await bmc.powerReset()
  await bmc.powerCycle()
  await bmc.power('off')
  t.is(await bmc.powerState(), 'off')
  const asked = await chassis.asked()
  const power = asked.filter((line) => /power|reset/.test(line))
  t.deepEqual(
    power,
    ['power 1', 'reset 1', 'power 0', 'power 1', 'power 0'].map((x) => `set ${x}`),
  )
})

test('a soft off that the machine ignores is followed by a cut where that was asked for', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  await bmc.power('on')
  t.is(await bmc.powerSoft({ deadlineMs: 60_000, otherwise: 'fail' }), 'soft')
  await bmc.power('on')
  await chassis.file('ignores-shutdown')
  const failing = bmc.powerSoft({ deadlineMs: 1_000, otherwise: 'fail' })
  t.is(await codeOf(failing), 'PUR_BMC_POWER_STUCK')
  t.is(await bmc.powerSoft({ deadlineMs: 1_000, otherwise: 'off' }), 'cut')
  t.is(await bmc.powerState(), 'off')
  await chassis.without('ignores-shutdown')
})

test('the boot device is read back from the flags, whatever the BMC says of their validity', async (t) => {
  const bmc = t.context.chassis.open()
  const set = await bmc.setBootDevice({ device: 'pxe', lasting: false, firmware: 'uefi' })
  t.is(set.device, 'pxe')
  t.is((await bmc.bootDevice()).device, 'pxe')
  t.is(
    (await bmc.setBootDevice({ device: 'disk', lasting: true, firmware: 'bios' })).device,
    'disk',
  )
  t.is((await bmc.clearBootDevice()).device, 'none')
})

test('a boot device that is accepted and ignored is found out', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  await bmc.clearBootDevice()
  await chassis.file('ignores-boot')
  const ignored = bmc.setBootDevice({ device: 'pxe', lasting: false, firmware: 'bios' })
  t.is(await codeOf(ignored), 'PUR_BMC_BOOT_IGNORED')
  await chassis.without('ignores-boot')
})

test('sensors, units, hardware and identity are those of the simulated board', async (t) => {
  const bmc = t.context.chassis.open()
  t.deepEqual(await bmc.sensors(), [
    {
      ...{ name: 'CPU Temp', unit: 'degrees C', status: 'ok', reading: 45 },
      ...{ lowerCritical: 2, upperCritical: 90 },
    },
    {
      ...{ name: 'Fan 1', unit: 'RPM', status: 'ok', reading: 6_000 },
      ...{ lowerCritical: 500, upperCritical: 22_000 },
    },
    {
      ...{ name: '12V Rail', unit: 'Volts', status: 'ok', reading: 12 },
      ...{ lowerCritical: 10.4, upperCritical: 13.6 },
    },
  ])
  const [unit] = await bmc.fieldUnits()
  const serial = unit?.fields.find(({ name }) => name === 'Product Serial')
  t.is(serial?.value, 'ch0')
  t.deepEqual(await bmc.hardware(), {
    ...{ manufacturer: 'Purlin', product: 'SimChassis', controllerFirmware: '9.08' },
  })
  const identity = await bmc.identity()
  t.deepEqual(identity.serials, ['ch0', 'b-ch0'])
  const uuid = 'a1234567-89ab-cdef-a123-456789abcdef'
  t.is(compareIdentity(identity, { uuid }), 'same')
})

test('the event log is read, cleared, and empty', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  await bmc.clearEvents()
  await untilTrue('an empty log', async () => (await bmc.events()).length === 0)
  await addEvent()
  const [event, ...others] = await bmc.events()
  t.is(others.length, 0)
  t.is(event?.sensor, 'Temperature CPU Temp')
  t.regex(event?.text ?? '', /^Upper Critical going high, Asserted, Reading 80 > Threshold 85/)
  await bmc.clearEvents()
  await untilTrue('an empty log', async () => (await bmc.events()).length === 0)
})

/** Puts a temperature event into the log: netFn 0x0a, command 0x44 (IPMI 2.0, 31.6). */
async function addEvent(): Promise<void> {
  const record = '0 0 2 0x60 0x61 0x21 0x69 0x20 0 4 1 1 0x01 0x59 0x50 0x55'
  const account = ['-H', '127.0.0.1', '-p', '9001', '-U', 'admin', '-P', PASSWORD]
  const words = [
    '-I',
    'lanplus',
    ...account,
    '-C',
    '3',
    'raw',
    '0x0a',
    '0x44',
    ...record.split(' '),
  ]
  await run('ipmitool', words, { timeoutMs: 20_000 })
}

test('a wrong password is told from a BMC that is down', async (t) => {
  const { chassis } = t.context
  const wrong = chassis.open({ password: 'wrong' })
  const error = await t.throwsAsync(wrong.powerState(), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_BMC_PASSWORD')
  t.is(
    error.message,
    'power status of chassis ch0 (BMC 127.0.0.1): it does not accept user admin; correct the Secret of the chassis',
  )
  t.is(await codeOf(wrong.sensors()), 'PUR_BMC_PASSWORD')
  t.is(await t.context.down, 'PUR_BMC_UNREACHABLE')
})

test('a BMC that hangs costs its callers their deadline, and answers when it is back', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  await bmc.powerState()
  chassis.hang(true)
  try {
    const waiting = [bmc.powerState({ deadlineMs: 1_500 }), bmc.sensors({ deadlineMs: 1_500 })]
    t.deepEqual(await Promise.all(waiting.map(codeOf)), ['PUR_BMC_TIMEOUT', 'PUR_BMC_TIMEOUT'])
  } finally {
    chassis.hang(false)
  }
  t.is(await bmc.powerState(), 'off')
})

test('no listing of processes shows the password, while a console is open', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  const file = join(chassis.folder, 'console')
  const console = await bmc.console({ file, bytesMax: 100_000 })
  await untilTrue('the console', async () => console.connected)
  const listings = await processes()
  const program = listings.find(
    ({ words }) => words.startsWith('ipmitool') && /\bsol\b/.test(words),
  )
  t.truthy(program, 'ipmitool runs')
  t.false(listings.some(({ words, environment }) => `${words} ${environment}`.includes(PASSWORD)))
  await console.close()
})

interface Listed {
  readonly id: string
  readonly words: string
  readonly environment: string
}

function isConsole({ words }: Listed): boolean {
  return words.startsWith('ipmitool') && words.includes('sol activate')
}

/** Every process of this host, as /proc tells of it. */
async function processes(): Promise<readonly Listed[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = async (id: string, name: string): Promise<string> =>
    (await readFile(`/proc/${id}/${name}`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
  return await Promise.all(
    ids.map(async (id) => {
      const [words, environment] = [await read(id, 'cmdline'), await read(id, 'environ')]
      return { id, words, environment }
    }),
  )
}

test('the console is recorded, and goes on after its program died and the BMC held the session', async (t) => {
  const { chassis } = t.context
  const bmc = chassis.open()
  const file = join(chassis.folder, 'console')
  const console = await bmc.console({ file, bytesMax: 100_000 })
  const tail = (): string => Buffer.from(console.tail()).toString()
  const printed = (line: string): Promise<void> =>
    untilTrue(`the line ${line}`, async () => {
      await chassis.print(`${line}\r\n`)
      return tail().includes(line)
    })
  await untilTrue('the console', async () => console.connected)
  await printed('GRUB loading')
  const program = (await processes()).find(isConsole)
  process.kill(Number(program?.id), 'SIGKILL')
  await untilTrue('its end', async () => !console.connected)
  await untilTrue('the next session', async () => console.connected)
  await printed('Linux version 6.1')
  await console.close()
  t.regex(await readFile(file, 'utf8'), /began.*GRUB loading.*ended.*began.*Linux version.*ended/s)
})

test('forty calls at once are forty answers of one command after the other', async (t) => {
  const bmc = t.context.chassis.open()
  const startMs = systemClock.monotonicMs()
  const states = await Promise.all(Array.from({ length: 40 }, () => bmc.powerState()))
  t.deepEqual(new Set(states), new Set(['off']))
  t.log(`${Math.round(systemClock.monotonicMs() - startMs)} ms`)
})
