import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Clock, run, systemClock } from '@purlin/base'
import test from 'ava'
import type { BootHost, BootService, BootServiceOptions } from '../src/index.ts'
import { type BootNotice, openBootService } from '../src/index.ts'
import { temporaryFolder, testDesk } from './support/desk.ts'
import { ended, type Machine, makeNetwork, type TestNetwork, until } from './support/network.ts'

const SERVER = '10.88.0.1'
const known = { mac: '52:54:00:88:00:07', address: '10.88.0.7', name: 'rack1-u07' }
const stranger = '52:54:00:99:00:01'
/** A machine that gets no answer has asked twice by then. */
const SILENCE_MS = 900
const PATIENCE_MS = 15_000

let network: TestNetwork
let machine: Machine
test.before(async () => {
  network = await makeNetwork('deploy0', `${SERVER}/24`)
  machine = await network.machine()
})
test.after.always(() => network?.stop())

interface Opened {
  readonly service: BootService
  readonly notices: BootNotice[]
  readonly folder: string
}

interface Around {
  teardown(work: () => Promise<void>): void
}

async function open(t: Around, more: Partial<BootServiceOptions> = {}): Promise<Opened> {
  const folder = more.folder ?? (await temporaryFolder(t))
  await run('chmod', ['755', folder], { timeoutMs: 5_000 })
  const notices: BootNotice[] = []
  const service = await openBootService({
    network: 'deploy0',
    interface: 'deploy0',
    subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
    folder,
    desk: testDesk(),
    systemFile: () => undefined,
    onNotice: (notice) => notices.push(notice),
    ...more,
  })
  t.teardown(() => service.close())
  return { service, notices, folder }
}

/** The dnsmasq of a service, by its configuration file. */
async function dnsmasqOf(folder: string): Promise<readonly number[]> {
  const { stdout } = await run('pgrep', ['-f', `^dnsmasq .*conf-file=${folder}/dnsmasq.conf$`], {
    timeoutMs: 5_000,
    acceptedExitCodes: [1],
  })
  return stdout.split('\n').filter(Boolean).map(Number)
}

const discover = (mac: string, limitMs: number) => ({ ask: 'discover', mac, limitMs }) as const

test.serial(
  '10,000 messages of strangers get no answer, and known machines do meanwhile',
  async (t) => {
    const { service, notices } = await open(t)
    await service.setHosts([known])
    const question = {
      ask: 'strangers',
      count: 10_000,
      mac: known.mac,
      limitMs: PATIENCE_MS,
    } as const
    const [told] = await machine.ask(question)
    t.deepEqual(told, { offers: 0, knownAsked: 100, knownAnswered: 100 })
    const sockets = await readFile('/proc/self/net/udp', 'utf8')
    const drops = [...sockets.matchAll(/^\s*\d+: [0-9A-F]+:0043 .* (\d+)\s*$/gm)].map(
      ([, count]) => count,
    )
    t.deepEqual(drops, ['0'], 'the server read every one of them')
    t.true(notices.some(({ what, mac }) => what === 'stranger' && mac?.startsWith('06:')))
  },
)

test.serial(
  'a known machine gets its address, a router and a name server; a stranger nothing',
  async (t) => {
    const { service, notices } = await open(t)
    await service.setHosts([known])
    const [got, none] = await machine.ask(
      { ask: 'lease', mac: known.mac, limitMs: PATIENCE_MS },
      discover(stranger, SILENCE_MS),
    )
    t.deepEqual(got, { address: known.address, router: SERVER, nameServer: SERVER })
    t.deepEqual(none, {})
    await until(() => notices.some(({ mac }) => mac === stranger))
  },
)

test.serial(
  'each firmware is offered its own loader, iPXE the script, and ARM nothing',
  async (t) => {
    const { service, notices } = await open(t)
    const hosts = [0, 7, 9, 16, 11, 175].map((code): BootHost & { code: number } => ({
      mac: `52:54:00:88:01:${code.toString(16).padStart(2, '0')}`,
      address: `10.88.0.${20 + (code % 100)}`,
      name: `firmware-${code}`,
      code,
    }))
    await service.setHosts(hosts)
    const told = await machine.ask(
      ...hosts.map(({ mac, code }) => ({
        ...discover(mac, code === 11 ? SILENCE_MS : PATIENCE_MS),
        ...(code === 175 ? { architecture: 0, isIpxe: true } : { architecture: code }),
      })),
    )
    t.deepEqual(
      told.map(({ file, vendorClass }) => [file, vendorClass]),
      [
        ['undionly.kpxe', undefined],
        ['snponly.efi', undefined],
        ['snponly.efi', undefined],
        ['http://10.88.0.1:8088/loader/ipxe.efi', 'HTTPClient'],
        [undefined, undefined],
        ['http://10.88.0.1:8088/boot.ipxe', undefined],
      ],
    )
    await until(() => notices.some(({ what }) => what === 'architecture-refused'))
    const refused = notices.find(({ what }) => what === 'architecture-refused')
    t.regex(refused?.message ?? '', /^firmware-11 .* processor that no boot loader here is for/)
  },
)

test.serial('loaders come by TFTP as Debian has them, and nothing else does', async (t) => {
  await open(t, { biosLoader: 'pxelinux' })
  const fetch = (file: string) => ({ ask: 'tftp', server: SERVER, file }) as const
  const reader = await network.machine('10.88.0.9/24')
  const [loader, pxelinux, menu, outside] = await reader.ask(
    fetch('snponly.efi'),
    fetch('pxelinux.0'),
    fetch('pxelinux.cfg/default'),
    fetch('../hosts'),
  )
  const sha256 = async (path: string) =>
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  t.is(loader?.sha256, await sha256('/usr/lib/ipxe/snponly.efi'))
  t.is(pxelinux?.sha256, await sha256('/usr/lib/PXELINUX/pxelinux.0'))
  t.is(typeof menu?.sha256, 'string')
  t.is(outside?.sha256, undefined)
})

test.serial('the enrol window lets strangers in while it is open, and no longer', async (t) => {
  const { service } = await open(t)
  await service.setHosts([known])
  await service.setEnrol(true)
  const [inside] = await machine.ask({ ask: 'lease', mac: stranger, limitMs: PATIENCE_MS })
  t.regex(inside?.address ?? '', /^10\.88\.0\.1\d\d$/)
  t.true(service.status().enrolOpen)
  await service.setEnrol(false)
  const [outside, still] = await machine.ask(
    discover(stranger, SILENCE_MS),
    discover(known.mac, PATIENCE_MS),
  )
  t.deepEqual(outside, {})
  t.is(still?.address, known.address)
})

test.serial('a dnsmasq that is killed, or halted, serves again, and says so', async (t) => {
  const { service, notices, folder } = await open(t)
  await service.setHosts([known])
  const [first = 0] = await dnsmasqOf(folder)
  process.kill(first, 'SIGKILL')
  const [again] = await machine.ask(discover(known.mac, PATIENCE_MS))
  t.is(again?.address, known.address)
  await until(() => service.status().dhcp.state === 'serving')
  const [second = 0] = await dnsmasqOf(folder)
  t.not(second, first)
  process.kill(second, 'SIGSTOP')
  // A change asks it whether it lives; without one it is asked every 20 s.
  await service.setHosts([known, { ...known, mac: stranger, address: '10.88.0.8', name: 'new' }])
  const [late] = await machine.ask(discover(stranger, PATIENCE_MS))
  t.is(late?.address, '10.88.0.8')
  t.true(service.status().dhcp.restarts >= 2)
  const told = notices.filter(({ what }) => what.startsWith('dhcp-')).map(({ what }) => what)
  t.deepEqual(told.slice(0, 4), ['dhcp-ended', 'dhcp-serves', 'dhcp-ended', 'dhcp-serves'])
})

/** dnsmasq 2.90 dies on SIGHUP once a host with a tag has served a lease; ours have none. */
test.serial('20 changes after a lease are each taken by one and the same dnsmasq', async (t) => {
  const { service, folder } = await open(t)
  await service.setHosts([known])
  const before = await dnsmasqOf(folder)
  await machine.ask({ ask: 'lease', mac: known.mac, limitMs: PATIENCE_MS })
  for (let round = 1; round <= 20; round++) {
    const hex = round.toString(16).padStart(2, '0')
    const other = {
      mac: `52:54:00:88:02:${hex}`,
      address: `10.88.0.${50 + round}`,
      name: `n${round}`,
    }
    await service.setHosts([known, other])
    if (round % 5 > 0) continue
    const [told, same] = await machine.ask(
      { ask: 'lease', mac: other.mac, limitMs: PATIENCE_MS },
      { ask: 'lease', mac: known.mac, limitMs: PATIENCE_MS },
    )
    t.is(told?.address, other.address)
    t.is(same?.address, known.address)
  }
  t.deepEqual(await dnsmasqOf(folder), before)
  t.is(service.status().dhcp.restarts, 0)
})

test.serial(
  'a new daemon replaces the dnsmasq of one that was killed, and leaves a stranger’s',
  async (t) => {
    const folder = await temporaryFolder(t)
    const program = `
    import { openBootService } from '${new URL('../src/index.ts', import.meta.url).href}'
    await openBootService({
      network: 'deploy0', interface: 'deploy0', folder: '${folder}',
      subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
      desk: {}, systemFile: () => undefined, onNotice: () => {},
    })
    process.kill(process.pid, 'SIGKILL')
  `
    const words = [
      '--conditions=purlin-source',
      '--input-type=module-typescript',
      '--eval',
      program,
    ]
    await run('chmod', ['755', folder], { timeoutMs: 5_000 })
    await t.throwsAsync(run(process.execPath, words, { timeoutMs: 30_000 }), { message: /SIGKILL/ })
    const [left = 0] = await dnsmasqOf(folder)
    t.true(left > 0, 'it outlives the daemon')
    // A program that names the file without being dnsmasq is left alone.
    const shell = await network.machine()
    const named = shell.command('sh', '-c', `sleep 1; : --conf-file=${folder}/dnsmasq.conf`)
    const { service } = await open(t, { folder })
    await service.setHosts([known])
    const now = await dnsmasqOf(folder)
    t.false(now.includes(left))
    const [told] = await machine.ask(discover(known.mac, PATIENCE_MS))
    t.is(told?.address, known.address)
    await named
  },
)

test.serial(
  'another DHCP server on the network is found, told once, and told when it has gone',
  async (t) => {
    // A probe waits three times 1.4 s for answers, which here come at once.
    const sleep: Clock['sleep'] = (durationMs, signal) =>
      systemClock.sleep(durationMs === 1_400 ? 300 : durationMs, signal)
    const { service, notices } = await open(t, { clock: { ...systemClock, sleep } })
    await service.setHosts([known])
    t.deepEqual(await service.probeForeignServers(), [])
    const other = await network.machine('10.88.0.66/24')
    const serving = await other.serve('10.88.0.66', '192.168.1.50')
    const found = [{ server: '10.88.0.66', offered: '192.168.1.50', bootFile: 'foreign.0' }]
    t.deepEqual(await service.probeForeignServers(), found)
    t.deepEqual(service.status().foreignServers, found)
    await service.probeForeignServers()
    const alerts = notices.filter(({ what }) => what === 'foreign-server')
    t.is(alerts.length, 1)
    t.is(alerts[0]?.level, 'alert')
    await ended(serving)
    t.deepEqual(await service.probeForeignServers(), [])
    t.true(notices.some(({ what }) => what === 'foreign-server-gone'))
    t.false(
      notices.some(({ what }) => what === 'stranger'),
      'the probe is no stranger',
    )
  },
)

test.serial(
  'without its interface the service says what is missing, and leaves nothing',
  async (t) => {
    const folder = await temporaryFolder(t)
    const error = await t.throwsAsync(open(t, { folder, interface: 'nothere' }))
    t.regex(error?.message ?? '', /serve on nothere: no address of 10\.88\.0\.0\/24/)
    t.deepEqual(await dnsmasqOf(folder), [])
  },
)
