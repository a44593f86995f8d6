import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { run, systemClock } from '@purlin/base'
import test from 'ava'
import {
  createVswitchDriver,
  type PortGroupDesired,
  type ReservationDesired,
  type VswitchDesired,
} from '../src/index.ts'
import { probeService, questionsOf } from '../src/services/probe.ts'
import { serviceOf } from '../src/services/service.ts'
import { type Machine, startHost, type TestHost, until } from './support/host.ts'
import { planNow, reconcileOnce } from './support/reconcile.ts'
import {
  dvs0,
  keyOf,
  macOf,
  nothing,
  portOf,
  prodGroup,
  reservationOf,
} from './support/scenario.ts'

const LOAD = fileURLToPath(new URL('./support/dhcp-load.ts', import.meta.url))
const pxe = {
  nextServer: '10.77.0.9',
  bios: 'pxelinux.0',
  uefi: 'snponly.efi',
  uefiArm64: 'arm64.efi',
  uefiHttp: 'http://10.77.0.9/boot.efi',
  ipxe: 'http://10.77.0.9/boot.ipxe',
  ipv6: 'tftp://[fd77::9]/boot.efi',
}

/** The n-th of many machines: 1 to 250 in 10.77.1.x and so on. */
function crowdOf(count: number, first = 1): readonly ReservationDesired[] {
  return Array.from({ length: count }, (_, index): ReservationDesired => {
    const number = first + index
    const hex = number.toString(16).padStart(4, '0')
    return {
      hostName: `many-${number}`,
      mac: `52:54:01:00:${hex.slice(0, 2)}:${hex.slice(2)}`,
      ipv4: [`10.77.${1 + Math.floor(number / 250)}.${1 + (number % 250)}`],
      ipv6: [],
    }
  })
}

function groupOf(
  reservations: readonly ReservationDesired[],
  more: Partial<PortGroupDesired> = {},
): PortGroupDesired {
  const group = prodGroup(reservations)
  const [, six] = group.subnets
  return {
    ...group,
    subnets: [
      {
        cidr: '10.77.0.0/16',
        gateway: '10.77.0.1',
        dhcp: { from: '10.77.0.50', to: '10.77.9.99', leaseSeconds: 3600 },
      },
      ...(six === undefined ? [] : [{ ...six, slaac: true }]),
    ],
    pxe,
    ...more,
  }
}

let host: TestHost
let driver: ReturnType<typeof createVswitchDriver>
let a: Machine
let b: Machine

const ports = [portOf(50, 100), portOf(51, 100)]
const both = [reservationOf(50), reservationOf(51)]
function desiredOf(
  reservations: readonly ReservationDesired[],
  more: Partial<PortGroupDesired> = {},
): VswitchDesired {
  return { switches: [dvs0], portGroups: [groupOf(reservations, more)], ports }
}

async function processOf(file: 'dnsmasq' | 'holder'): Promise<number> {
  const text = await readFile(`${host.runFolder}/port-groups/prod/${file}.json`, 'utf8')
  return JSON.parse(text).processId
}

interface Figures {
  readonly asked: number
  readonly answered: number
  readonly lost: number
  readonly wrong: number
  readonly perSecond: number
}

async function loaded(
  machine: Machine,
  machines: readonly ReservationDesired[],
  durationMs: number,
): Promise<Figures> {
  const load = {
    machines: machines.map(({ mac, ipv4 }) => ({ mac, address: ipv4[0] })),
    slots: 12,
    durationMs,
    patienceMs: 8_000,
  }
  const { stdout } = await machine.command(process.execPath, LOAD, JSON.stringify(load))
  return JSON.parse(stdout)
}

test.before(async () => {
  host = await startHost()
  driver = createVswitchDriver({
    databaseSocket: host.databaseSocket,
    datapath: 'auto',
    runFolder: host.runFolder,
  })
  for (let round = 0; round < 2; round++) await reconcileOnce(driver, desiredOf(both))
  ;[a, b] = await Promise.all([
    host.machine(keyOf(50), macOf(50)),
    host.machine(keyOf(51), macOf(51)),
  ])
  for (const machine of [a, b]) await host.plug(machine)
})

test.after.always(async () => {
  await reconcileOnce(driver, nothing).catch(() => {})
  driver.close()
  await host.stop()
})

test.serial('firmware of each sort is told its own file, iPXE its script', async (t) => {
  for (const [sort, told] of [
    ['0', { file: 'pxelinux.0', nextServer: '10.77.0.9' }],
    ['7', { file: 'snponly.efi', nextServer: '10.77.0.9' }],
    ['9', { file: 'snponly.efi' }],
    ['11', { file: 'arm64.efi' }],
    ['16', { file: 'http://10.77.0.9/boot.efi', vendorClass: 'HTTPClient' }],
    ['0 ipxe', { file: 'http://10.77.0.9/boot.ipxe' }],
    ['16 ipxe', { file: 'http://10.77.0.9/boot.ipxe' }],
    ['', { file: '' }],
  ] as const) {
    t.like(await a.client('boot4', a.mac, sort, '5000'), told, sort)
  }
  t.like(await a.client('dhcp6', a.mac, '5000'), { address: 'fd77::50', bootFile: pxe.ipv6 })
})

test.serial(
  'a machine makes an address of the advertised prefix, beside the one it leases',
  async (t) => {
    await b.command('ip', 'link', 'set', 'eth0', 'down')
    await b.command('ip', 'link', 'set', 'eth0', 'up')
    await b.forget()
    const shown = async (): Promise<string> =>
      (await b.command('ip', '-6', 'address', 'show', 'dev', 'eth0')).stdout
    await until(async () => (await shown()).includes('fd77::5054:ff:fe00:33/64'), 40_000)
    t.like(await b.client('dhcp6', b.mac, '5000'), { address: 'fd77::51' })
    const alone = { cidr: 'fd78::/64', gateway: 'fd78::1', slaac: true }
    const advertised = desiredOf(both, { subnets: [...groupOf(both).subnets, alone] })
    await reconcileOnce(driver, advertised)
    await until(async () => (await shown()).includes('fd78::5054:ff:fe00:33/64'), 40_000)
    await reconcileOnce(driver, desiredOf(both))
    t.deepEqual(await planNow(driver, desiredOf(both)), [])
  },
)

/** dnsmasq reads changed reservations between two packets; a lease of a removed machine is released
 *  as the machine would have done it. */
test.serial(
  'reservations come, change and go under load, and no answer is lost or wrong',
  async (t) => {
    const steady = crowdOf(150)
    const coming = crowdOf(60, 200)
    const moving = crowdOf(30, 300)
    const elsewhere = moving.map((one, index) => ({ ...one, ipv4: [`10.77.8.${index + 1}`] }))
    const states = [
      [...both, ...steady],
      [...both, ...steady, ...coming, ...moving],
      [...both, ...steady, ...coming.slice(20), ...elsewhere],
      [...both, ...steady, ...coming.slice(0, 10), ...moving],
    ]
    const [first = []] = states
    await reconcileOnce(driver, desiredOf(first))
    const before = await processOf('dnsmasq')
    const asking = loaded(a, steady, 12_000)
    let changes = 0
    let over = false
    asking.finally(() => {
      over = true
    })
    while (!over) {
      const reservations = states[++changes % states.length] ?? []
      await reconcileOnce(driver, desiredOf(reservations))
      // What has just come or changed is answered as it is now, while the load goes on.
      const fresh = reservations.filter(({ mac }) => !first.some((one) => one.mac === mac))
      if (fresh.length === 0) continue
      const sample = fresh.filter((_, index) => index % 7 === changes % 7)
      const figures = await loaded(b, sample, 200)
      t.like(figures, { lost: 0, wrong: 0 }, `change ${changes}`)
    }
    const figures = await asking
    t.log(`${changes} changes; ${figures.asked} packets, ${figures.perSecond} answers a second`)
    t.like(figures, { lost: 0, wrong: 0 })
    t.is(figures.answered, figures.asked)
    t.true(changes >= 2 && figures.asked > 100, JSON.stringify({ changes, ...figures }))
    t.is(await processOf('dnsmasq'), before, 'one process all the while')
    await reconcileOnce(driver, desiredOf(both))
    const [gone] = coming
    t.is(await b.client('dhcp4', gone?.mac ?? '', '1500'), null, 'a removed machine is unknown')
  },
)

test.serial('unknown machines are never answered', async (t) => {
  const strangers = crowdOf(200, 4_000).map(({ mac, ipv4 }) => ({ mac, address: ipv4[0] }))
  const load = { machines: strangers, slots: 200, durationMs: 100, patienceMs: 1_500 }
  const { stdout } = await a.command(process.execPath, LOAD, JSON.stringify(load))
  const { asked, answered } = JSON.parse(stdout)
  t.is(answered, 0)
  t.true(asked >= 200)
})

test.serial('life is proved by real questions; a hung server leaves them unanswered', async (t) => {
  const settings = { runFolder: host.runFolder, serviceUser: 'root' }
  const service = serviceOf(groupOf(both), settings)
  const questions = service === undefined ? {} : questionsOf(service)
  t.deepEqual(questions, { dns: '10.77.0.1', dhcp: '10.77.0.1', dhcp6: 'fd77::1' })
  const holder = await processOf('holder')
  const mac = macOf(50).replaceAll(':', '')
  const ask = (limitMs: number) => probeService(run, holder, questions, { mac, limitMs })
  t.deepEqual(await ask(5_000), [])
  process.kill(await processOf('dnsmasq'), 'SIGSTOP')
  t.deepEqual([...(await ask(800))].sort(), ['dhcp', 'dhcp6', 'dns'])
  t.like(await planNow(driver, desiredOf(both)), ['serve port group prod: dnsmasq is stopped'])
  await reconcileOnce(driver, desiredOf(both))
  t.deepEqual(await ask(5_000), [])
  t.like(await a.client('dhcp4', a.mac, '5000'), { address: '10.77.0.50' })
})

test.serial('a dead forwarder keeps no local name waiting', async (t) => {
  const dead = { domain: 'prod.example', forwarders: ['192.0.2.99', '10.77.0.250'] }
  const desired = desiredOf(both, { dns: dead })
  await reconcileOnce(driver, desired)
  await a.command('ip', 'address', 'replace', '10.77.0.50/16', 'dev', 'eth0')
  const outside = Array.from({ length: 20 }, (_, index) =>
    a.client('dns', '10.77.0.1', `name-${index}.example.org`, 'A'),
  )
  await systemClock.sleep(200)
  const startMs = performance.now()
  t.deepEqual(await a.client('dns', '10.77.0.1', 'vm-51.prod.example', 'A'), ['10.77.0.51'])
  t.deepEqual(await a.client('dns', '10.77.0.1', 'vm-51.prod.example', 'AAAA'), ['fd77::51'])
  t.deepEqual(await a.client('dns', '10.77.0.1', '10.77.0.51', 'PTR'), ['vm-51.prod.example'])
  t.is(await a.client('dns', '10.77.0.1', 'nobody.prod.example', 'A'), 'ENOTFOUND')
  t.log(`four local answers in ${(performance.now() - startMs).toFixed(0)} ms`)
  for (const answer of await Promise.all(outside)) t.is(typeof answer, 'string')
  await reconcileOnce(driver, desiredOf(both))
})
