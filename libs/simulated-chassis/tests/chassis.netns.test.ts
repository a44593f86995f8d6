/** A simulated chassis through the real ipmitool; its machine is a real QEMU without a system. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run, systemClock } from '@purlin/base'
import anyTest, { type TestFn } from 'ava'
import { type ChassisOptions, makeDeploymentNetwork, SimulatedChassis } from '../src/index.ts'

const UUID = '6b1d9f70-2b1c-4b5e-8a57-0123456789ab'
const WAIT_MS = 90_000

const test = anyTest.serial as TestFn<{ folder: string }>['serial']

test.before(async (t) => {
  t.context = { folder: await mkdtemp(join(tmpdir(), 'chassis-')) }
  await makeDeploymentNetwork({ bridge: 'deploy0', address: '10.88.0.1/24', taps: ['t0'] })
})

test.after.always(async (t) => {
  await rm(t.context.folder, { recursive: true })
})

function optionsOf(folder: string, change: Partial<ChassisOptions> = {}): ChassisOptions {
  return {
    ...{ folder: join(folder, 'c'), name: 'c1', ipmiPort: 9_101, bmcAddress: '127.0.0.1' },
    ...{ username: 'admin', password: 'secret', firmware: 'bios', loader: 'ipxe' },
    ...{ nics: [{ tap: 't0', mac: '52:54:00:88:00:07' }], disks: [{ sizeGiB: 1, serial: 'd-1' }] },
    ...{ memoryMiB: 256, uuid: UUID, serial: 'SN-1', ...change },
  }
}

async function ipmi(...words: string[]): Promise<string> {
  const session = ['-I', 'lanplus', '-C', '3', '-N', '2', '-R', '3', '-H', '127.0.0.1']
  const access = ['-p', '9101', '-U', 'admin', '-P', 'secret']
  const said = await run('ipmitool', [...session, ...access, ...words], { timeoutMs: 60_000 })
  return said.stdout.trim()
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = systemClock.monotonicMs() + WAIT_MS
  while (!(await holds())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what}: not so in time`)
    await systemClock.sleep(50)
  }
}

test('without a machine the BMC has power, boot device, sensors, FRU and its faults', async (t) => {
  const chassis = await SimulatedChassis.start(optionsOf(t.context.folder, { machine: false }))
  try {
    t.regex(await ipmi('chassis', 'power', 'status'), /off$/)
    await ipmi('chassis', 'bootdev', 'pxe')
    await ipmi('chassis', 'power', 'on')
    t.is(chassis.power, 'on')
    t.true(chassis.events.some(({ what }) => what === 'start, network first'))
    t.regex(await ipmi('fru'), /SN-1/)
    t.regex(await ipmi('sdr'), /CPU Temp/)
    chassis.faults.reportedPower = 'off'
    t.regex(await ipmi('chassis', 'power', 'status'), /off$/)
    chassis.faults.reportedPower = undefined
    chassis.faults.ignoresPower = true
    await ipmi('chassis', 'power', 'off')
    t.is(chassis.power, 'on')
    chassis.faults.ignoresPower = false
    chassis.cutPower()
    t.regex(await ipmi('chassis', 'power', 'status'), /off$/)
    await chassis.stopBmc()
    await chassis.startBmc()
    t.regex(await ipmi('chassis', 'power', 'status'), /off$/)
  } finally {
    await chassis.close()
  }
})

test('the GUID of the BMC is the system UUID, as SMBIOS has its bytes', async (t) => {
  const chassis = await SimulatedChassis.start(optionsOf(t.context.folder, { machine: false }))
  try {
    const bytes = (await ipmi('raw', '0x06', '0x37')).split(/\s+/).join('')
    const turned = [bytes.slice(0, 8), bytes.slice(8, 12), bytes.slice(12, 16)]
      .map((field) => (field.match(/../g) ?? []).reverse().join(''))
      .join('-')
    t.is(`${turned}-${bytes.slice(16, 20)}-${bytes.slice(20)}`, UUID)
  } finally {
    await chassis.close()
  }
})

test('power on starts the machine from the network once, then from its disk', async (t) => {
  const chassis = await SimulatedChassis.start(optionsOf(t.context.folder))
  try {
    await ipmi('chassis', 'bootdev', 'pxe')
    await ipmi('chassis', 'power', 'on')
    await until('iPXE asks the network', () => /iPXE.*net0/s.test(chassis.consoleTail))
    t.notRegex(chassis.consoleTail, /Booting from Hard Disk/)
    await ipmi('chassis', 'power', 'reset')
    await until('the disk is tried', () => /Booting from Hard Disk/.test(chassis.consoleTail))
    await ipmi('chassis', 'power', 'off')
    t.is(chassis.power, 'off')
    await ipmi('chassis', 'power', 'on')
    t.is(chassis.power, 'on')
    t.regex(await readFile(join(chassis.options.folder, 'console.log'), 'latin1'), /SeaBIOS/)
  } finally {
    await chassis.close()
  }
})

test('what a chassis has started ends with its owner, also when that is killed', async (t) => {
  const options = optionsOf(t.context.folder)
  const program = `
    import { SimulatedChassis } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url))}
    const chassis = await SimulatedChassis.start(${JSON.stringify(options)})
    console.log('up')`
  const flags = ['--conditions=purlin-source', '--input-type=module']
  const owner = spawn(process.execPath, [...flags, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => owner.kill('SIGKILL'))
  await once(createInterface({ input: owner.stdout }), 'line')
  await ipmi('chassis', 'power', 'on')
  const found = async (): Promise<readonly string[]> => {
    const listing = await run('ps', ['-eo', 'stat,args'], { timeoutMs: 10_000 })
    const ours = (line: string): boolean => line.includes(options.folder) && !line.startsWith('Z')
    return listing.stdout.split('\n').filter((line) => ours(line) && !line.includes('--input-type'))
  }
  await until('BMC and machine run', async () => {
    const lines = (await found()).join('\n')
    return /ipmi_sim/.test(lines) && /qemu-system/.test(lines)
  })
  owner.kill('SIGKILL')
  await until('both are gone', async () => (await found()).length === 0)
  t.pass()
})
