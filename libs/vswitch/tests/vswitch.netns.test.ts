import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { serviceDevice } from '@purlin/schema'
import test from 'ava'
import { createVswitchDriver, type VswitchDesired } from '../src/index.ts'
import { datapath } from './support/datapath.ts'
import { ip, type Machine, startHost, type TestHost, until } from './support/host.ts'
import { factsNow, planNow, reconcileOnce } from './support/reconcile.ts'
import {
  dvs0,
  everything,
  keyOf,
  macOf,
  nothing,
  portOf,
  prodGroup,
  reservationOf,
} from './support/scenario.ts'

const AGENT = fileURLToPath(new URL('./support/agent.ts', import.meta.url))
const SERVICE_DEVICE = serviceDevice('prod')
let host: TestHost
let driver: ReturnType<typeof createVswitchDriver>
let a: Machine
let b: Machine
let c: Machine

const newDriver = (): ReturnType<typeof createVswitchDriver> =>
  createVswitchDriver({
    databaseSocket: host.databaseSocket,
    datapath: 'auto',
    runFolder: host.runFolder,
  })
const processOf = async (file: 'dnsmasq' | 'holder'): Promise<number> =>
  JSON.parse(await readFile(`${host.runFolder}/port-groups/prod/${file}.json`, 'utf8')).processId

const TRIES_MAX = 4

/** Runs `work` while the driver's own notifications, and nothing else, drive reconciliation. What
 *  somebody else's change cuts across is tried again, as a lane of the agent does. */
async function whileWatched(desired: VswitchDesired, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController()
  let wanted = false
  let running: Promise<void> = Promise.resolve()
  const round = async (): Promise<void> => {
    for (let tries = 1; wanted; tries++) {
      wanted = false
      try {
        await reconcileOnce(driver, desired)
      } catch (thrown) {
        if (tries >= TRIES_MAX) throw thrown
        wanted = true
      }
    }
  }
  driver.watch(() => {
    if (!wanted) running = running.then(round)
    wanted = true
  }, stop.signal)
  try {
    await new Promise((resolve) => {
      setTimeout(resolve, 300)
    })
    await work()
  } finally {
    stop.abort()
    await running
  }
}

const IPV6_DEFAULT = '/proc/sys/net/ipv6/conf/default/disable_ipv6'

test.before(async () => {
  // Links speak IPv6 unless the driver silences each of its own: that is what is looked at.
  await writeFile(IPV6_DEFAULT, '0')
  host = await startHost()
  driver = newDriver()
})

test.after.always(async () => {
  await reconcileOnce(driver, nothing).catch(() => {})
  driver.close()
  await host.stop()
})

test.serial('a switch, its ports and its service stand after one round', async (t) => {
  const steps = await reconcileOnce(driver, everything)
  t.deepEqual(
    steps.map((step) => step.kind),
    ['make-switch', 'plug', 'plug', 'plug', 'serve', 'commit-flows'],
  )
  t.deepEqual(await planNow(driver, everything), [])
  t.deepEqual(await factsNow(driver), [
    'nic/vm-50.eth0/plugged',
    'nic/vm-51.eth0/plugged',
    'nic/vm-52.eth0/plugged',
  ])
  const outer = `pout-${keyOf(52)}`
  t.is(await host.vsctl('get', 'port', outer, 'tag', 'vlan_mode'), '200\naccess')
  t.is(await host.vsctl('get', 'interface', outer, 'external_ids:iface-id'), 'vm-52.eth0')
  t.is(
    await host.vsctl('get', 'bridge', 'dvs0', 'fail_mode', 'datapath_type'),
    `standalone\n${datapath}`,
  )
  const addresses = (await ip('-6', '-o', 'address', 'show')).split('\n')
  const ours = addresses.filter((line) => /dvs0|0000003[2-4]/.test(line))
  t.deepEqual(ours, [], 'the host has no address on these links')
  t.is(await readFile(IPV6_DEFAULT, 'utf8'), '0\n')
  ;[a, b, c] = await Promise.all([
    host.machine(keyOf(50), macOf(50)),
    host.machine(keyOf(51), macOf(51)),
    host.machine(keyOf(52), macOf(52)),
  ])
  for (const machine of [a, b, c]) await host.plug(machine)
  t.deepEqual(await planNow(driver, everything), [], 'a tap in its bridge is no drift')
})

test.serial('a known machine is leased its addresses, an unknown one none', async (t) => {
  t.deepEqual(await a.client('dhcp4', a.mac, '5000'), {
    address: '10.77.0.50',
    netmask: '255.255.255.0',
    router: '10.77.0.1',
    dns: '10.77.0.1',
    domain: 'prod.example',
    hostName: 'vm-50',
    mtu: 1500,
    leaseSeconds: 3600,
  })
  t.deepEqual(await a.client('dhcp6', a.mac, '5000'), { address: 'fd77::50', dns: 'fd77::1' })
  const stranger = '52:54:00:00:00:ee'
  await b.command('ip', 'link', 'set', 'eth0', 'address', stranger)
  t.is(await b.client('dhcp4', stranger, '1500'), null)
  t.is(await b.client('dhcp6', stranger, '1500'), null)
  await b.command('ip', 'link', 'set', 'eth0', 'address', b.mac)
  t.is(await c.client('dhcp4', c.mac, '1500'), null, 'another VLAN is not answered')
})

test.serial('the router is advertised, and addresses are managed, not made', async (t) => {
  await b.command('ip', 'link', 'set', 'eth0', 'down')
  await b.command('ip', 'link', 'set', 'eth0', 'up')
  await b.forget()
  const route = async (): Promise<string> =>
    (await b.command('ip', '-6', 'route', 'show', 'default')).stdout
  await until(async () => (await route()).includes('proto ra'))
  t.regex(await route(), /default via fe80::\S+ dev eth0/)
  t.notRegex((await b.command('ip', '-6', 'address', 'show', 'dev', 'eth0')).stdout, /inet6 fd77/)
})

test.serial(
  'machines of a VLAN reach each other and their gateway, and no other VLAN',
  async (t) => {
    for (const [machine, last] of [
      [a, 50],
      [b, 51],
      [c, 52],
    ] as const) {
      await machine.command('ip', 'address', 'add', `10.77.0.${last}/24`, 'dev', 'eth0')
      await machine.command('ip', 'address', 'add', `fd77::${last}/64`, 'dev', 'eth0', 'nodad')
    }
    for (const address of ['10.77.0.51', 'fd77::51', '10.77.0.1', 'fd77::1']) {
      t.true(await a.reaches(address), address)
    }
    const across = await Promise.all(
      ['10.77.0.52', 'fd77::52'].map((address) => a.reaches(address)),
    )
    t.deepEqual(across, [false, false])
    t.false(await c.reaches('10.77.0.1'))
  },
)

test.serial('names and reverse names are answered, and nothing of the world outside', async (t) => {
  const ask = async (name: string, kind: string, server = '10.77.0.1'): Promise<unknown> =>
    await a.client('dns', server, name, kind)
  t.deepEqual(await ask('vm-51.prod.example', 'A'), ['10.77.0.51'])
  t.deepEqual(await ask('vm-51.prod.example', 'AAAA'), ['fd77::51'])
  t.deepEqual(await ask('vm-51.prod.example', 'A', '[fd77::1]:53'), ['10.77.0.51'])
  t.deepEqual(await ask('10.77.0.51', 'PTR'), ['vm-51.prod.example'])
  t.deepEqual(await ask('fd77::51', 'PTR'), ['vm-51.prod.example'])
  t.is(await ask('nobody.prod.example', 'A'), 'ENOTFOUND')
  t.is(await ask('example.org', 'A'), 'EREFUSED')
})

/** Two stories. dnsmasq's folder watch only ever adds, so a removed reservation went on being
 *  answered. And the lease of a removed machine kept its address: the next machine that was
 *  given the address had no answer until the lease ended. */
test.serial('reservations come, change and go while it runs, with no request lost', async (t) => {
  const before = await processOf('dnsmasq')
  const asking = a.client('renew4', a.mac, '10.77.0.50', '40')
  const ports = [portOf(50, 100), portOf(51, 100), portOf(52, 100)]
  const round = async (...others: ReturnType<typeof reservationOf>[]): Promise<void> => {
    const portGroups = [prodGroup([reservationOf(50), ...others])]
    await reconcileOnce(driver, { switches: [dvs0], portGroups, ports })
  }
  await b.forget()
  await c.forget()
  const address = async (machine: Machine, mode: 'dhcp4' | 'dhcp6'): Promise<unknown> =>
    ((await machine.client(mode, machine.mac, '5000')) as { address: string } | null)?.address

  await round(reservationOf(51), reservationOf(52))
  t.deepEqual([await address(c, 'dhcp4'), await address(c, 'dhcp6')], ['10.77.0.52', 'fd77::52'])
  await round(reservationOf(51), reservationOf(52, 60))
  t.is(await address(c, 'dhcp4'), '10.77.0.60', 'changed')
  t.is(await address(b, 'dhcp4'), '10.77.0.51')
  t.is(await address(b, 'dhcp6'), 'fd77::51')
  await round(reservationOf(52, 51))
  t.is(await address(c, 'dhcp4'), '10.77.0.51', 'an address that was freed is free at once')
  t.is(await address(c, 'dhcp6'), 'fd77::51')
  t.is(await b.client('dhcp4', b.mac, '1500'), null, 'a removed machine is unknown')
  t.is(await a.client('dns', '10.77.0.1', 'vm-51.prod.example', 'A'), 'ENOTFOUND')
  t.deepEqual(await a.client('dns', '10.77.0.1', '10.77.0.51', 'PTR'), ['vm-52.prod.example'])

  t.deepEqual(await asking, { asked: 40, answered: 40 })
  t.is(await processOf('dnsmasq'), before, 'the same process all the while')
  await reconcileOnce(driver, everything)
  t.deepEqual(await planNow(driver, everything), [])
})

test.serial('what someone deletes or changes is noticed by event and mended', async (t) => {
  const key = keyOf(50)
  const drifts: Readonly<Record<string, () => Promise<unknown>>> = {
    'a switch port': () => host.vsctl('--no-wait', 'del-port', `pout-${key}`),
    'a VLAN tag': () => host.vsctl('--no-wait', 'set', 'port', `pout-${key}`, 'tag=7'),
    'a cable': () => ip('link', 'delete', `pin-${key}`),
    'a bridge': () => ip('link', 'delete', `pbr-${key}`),
    'a bridge that is down': () => ip('link', 'set', `pbr-${key}`, 'down'),
    'a bridge that is no longer filtered': () =>
      ip('link', 'set', `pbr-${key}`, 'type', 'bridge', 'nf_call_iptables', '0'),
    'the cable of the service': () => ip('link', 'delete', SERVICE_DEVICE),
    'the whole switch': () => host.vsctl('--no-wait', 'del-br', 'dvs0'),
  }
  await b.command('ip', 'address', 'add', '10.77.0.51/24', 'dev', 'eth0')
  // A neighbour that was asked while its link was made anew is asked again.
  const talks = async (to: string): Promise<boolean> =>
    (await a.reaches(to)) || (await a.reaches(to))
  for (const [what, drift] of Object.entries(drifts)) {
    await whileWatched(everything, async () => {
      await drift()
      const startMs = performance.now()
      await until(async () => (await planNow(driver, everything)).length > 0, 2_000).catch(() => {})
      await until(async () => (await planNow(driver, everything)).length === 0)
      t.log(`${what}: mended after ${(performance.now() - startMs).toFixed(0)} ms`)
    })
    t.true(await talks('10.77.0.51'), `machines talk after ${what}`)
    t.true(await talks('fd77::1'), `the gateway answers after ${what}`)
  }
})

test.serial('dnsmasq or its namespace killed or stopped is noticed and served again', async (t) => {
  for (const [file, signal] of [
    ['dnsmasq', 'SIGKILL'],
    ['dnsmasq', 'SIGSTOP'],
    ['holder', 'SIGKILL'],
  ] as const) {
    const victim = await processOf(file)
    await whileWatched(everything, async () => {
      process.kill(victim, signal)
      await until(async () => (await processOf(file).catch(() => victim)) !== victim)
      await until(async () => (await planNow(driver, everything)).length === 0)
    })
    const lease = await a.client('dhcp4', a.mac, '5000')
    t.like(lease, { address: '10.77.0.50' }, `${file} ${signal}`)
    t.deepEqual(await a.client('dns', '10.77.0.1', 'vm-51.prod.example', 'A'), ['10.77.0.51'])
  }
})

test.serial(
  'an agent killed by SIGKILL leaves everything, and the next one adopts it',
  async (t) => {
    await reconcileOnce(driver, nothing)
    const agent = spawn(
      process.execPath,
      [
        '--conditions=purlin-source',
        AGENT,
        host.databaseSocket,
        host.runFolder,
        JSON.stringify(everything),
      ],
      { stdio: 'inherit' },
    )
    const [, signal] = await once(agent, 'exit')
    t.is(signal, 'SIGKILL')
    for (const machine of [a, b, c]) await host.plug(machine)
    t.like(await a.client('dhcp4', a.mac, '5000'), { address: '10.77.0.50' })
    const standing = [await processOf('dnsmasq'), await processOf('holder')]

    const next = newDriver()
    t.deepEqual(await planNow(next, everything), [], 'it finds nothing to do')
    const portGroups = [prodGroup([reservationOf(50), reservationOf(51), reservationOf(52)])]
    const steps = await reconcileOnce(next, { ...everything, portGroups })
    t.deepEqual(
      steps.map((step) => step.kind),
      ['reserve'],
    )
    t.deepEqual(await a.client('dns', '10.77.0.1', 'vm-52.prod.example', 'A'), ['10.77.0.52'])
    t.deepEqual([await processOf('dnsmasq'), await processOf('holder')], standing)
    await reconcileOnce(next, everything)
    next.close()
  },
)

test.serial('the database may die and come back', async (t) => {
  await host.killDatabase()
  // What was monitored stands until the end of the connection has been read.
  await until(
    async () =>
      await planNow(driver, everything).then(
        () => false,
        () => true,
      ),
  )
  await t.throwsAsync(planNow(driver, everything), {
    code: 'PUR_OVS_UNREACHABLE',
    message: /db\.sock cannot be used.*start ovsdb-server/,
  })
  await host.startDatabase()
  await until(async () => (await planNow(driver, everything).catch(() => ['no'])).length === 0)
  t.true(await a.reaches('10.77.0.1'))
  await reconcileOnce(driver, { ...everything, ports: everything.ports.slice(1) })
  await reconcileOnce(driver, everything)
  await host.plug(a)
  t.deepEqual(await planNow(driver, everything), [])
})

test.serial('a VLAN and an MTU change in place, without a new port', async (t) => {
  const number = async (): Promise<string> =>
    await host.vsctl('get', 'interface', `pout-${keyOf(52)}`, 'ofport')
  const before = await number()
  const ports = [portOf(50, 100), portOf(51, 100), { ...portOf(52, 100), mtu: 1400 }]
  await reconcileOnce(driver, { ...everything, ports })
  t.is(await number(), before)
  t.is(await host.vsctl('get', 'port', `pout-${keyOf(52)}`, 'tag'), '100')
  t.regex(await ip('link', 'show', `pin-${keyOf(52)}`), /mtu 1400/)
  const untagged = [portOf(50, 100), portOf(51, 100), portOf(52, 0)]
  await reconcileOnce(driver, { ...everything, ports: untagged })
  const columns = await host.vsctl('get', 'port', `pout-${keyOf(52)}`, 'tag', 'vlan_mode')
  t.is(columns, '0\naccess', 'untagged is an access port too, never a trunk')
  const tagged = { ...portOf(52, 200), trunk: [100, 300] }
  await reconcileOnce(driver, { ...everything, ports: [portOf(50, 100), portOf(51, 100), tagged] })
  const trunk = await host.vsctl('get', 'port', `pout-${keyOf(52)}`, 'tag', 'vlan_mode', 'trunks')
  t.is(trunk, '200\nnative-untagged\n[100, 300]', 'tagged frames of these VLANs, no others')
  t.is(await number(), before)
  await reconcileOnce(driver, everything)
})

test.serial('what is not ours is left alone, on our switch too', async (t) => {
  await ip('link', 'add', 'plain0', 'type', 'veth', 'peer', 'name', 'plain1')
  await host.vsctl('add-port', 'dvs0', 'plain0', 'tag=100')
  t.deepEqual(await planNow(driver, everything), [])
  await reconcileOnce(driver, { ...everything, portGroups: [], ports: [] })
  t.is(await host.vsctl('get', 'port', 'plain0', 'tag'), '100')
  await t.throwsAsync(reconcileOnce(driver, nothing), {
    code: 'PUR_SWITCH_IN_USE',
    message: /still carries plain0/,
  })
  t.is(await host.vsctl('get', 'port', 'plain0', 'tag'), '100')
  await host.vsctl('del-port', 'plain0')
  await ip('link', 'delete', 'plain0')
  await reconcileOnce(driver, nothing)
})

test.serial('a name that is taken is refused, and stays as it was', async (t) => {
  const only = (desired: Partial<VswitchDesired>): VswitchDesired => ({
    ...nothing,
    switches: [dvs0],
    ...desired,
  })
  const refusal = (message: RegExp) => ({ code: 'PUR_SWITCH_NAME_TAKEN', message })
  await ip('link', 'add', 'dvs0', 'type', 'bridge')
  await t.throwsAsync(reconcileOnce(driver, only({})), refusal(/dvs0 \(bridge\).*ip link delete/))
  await ip('link', 'delete', 'dvs0')

  await host.vsctl('add-br', 'dvs0', '--', 'set', 'bridge', 'dvs0', `datapath_type=${datapath}`)
  await t.throwsAsync(reconcileOnce(driver, only({})), refusal(/without Purlin's mark.*del-br/))
  t.is(await host.vsctl('get', 'bridge', 'dvs0', 'external_ids'), '{}')
  await host.vsctl('del-br', 'dvs0')

  await ip('link', 'add', `pbr-${keyOf(60)}`, 'type', 'bridge')
  const ports = [portOf(60, 100)]
  const link = refusal(/pbr-0000003c exists already, a bridge link without a mark/)
  await t.throwsAsync(reconcileOnce(driver, only({ ports })), link)
  t.regex(await ip('link', 'show', `pbr-${keyOf(60)}`), /state DOWN/)
  await ip('link', 'delete', `pbr-${keyOf(60)}`)

  await host.vsctl('--no-wait', 'add-port', 'dvs0', `pout-${keyOf(60)}`)
  const port = refusal(/port pout-0000003c without Purlin's mark.*del-port/)
  await t.throwsAsync(reconcileOnce(driver, only({ ports })), port)
  await host.vsctl('del-port', `pout-${keyOf(60)}`)
})

test.serial('what an agent was making when it was stopped is made anew, not refused', async (t) => {
  const desired = { ...nothing, switches: [dvs0], ports: [portOf(61, 100)] }
  const half = async (...words: readonly string[]): Promise<unknown> =>
    await ip('link', 'add', 'name', ...words)
  const making = ['group', '0x7075726d']
  await half(`pbr-${keyOf(61)}`, ...making, 'type', 'bridge')
  const outer = ['peer', 'name', `pout-${keyOf(61)}`, ...making]
  await half(`pin-${keyOf(61)}`, ...making, 'type', 'veth', ...outer)
  await reconcileOnce(driver, desired)
  t.deepEqual(await planNow(driver, desired), [])
  t.regex(await ip('link', 'show', `pout-${keyOf(61)}`), /purlin:port=vm-61.eth0/)
  await reconcileOnce(driver, { ...nothing, switches: [dvs0] })
})

test.serial('an uplink is a trunk; one that is not there is named', async (t) => {
  await ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1')
  const desired = (uplinks: readonly string[]): VswitchDesired => ({
    ...nothing,
    switches: [{ ...dvs0, uplinks }],
  })
  await reconcileOnce(driver, desired(['up0']))
  t.is(await host.vsctl('get', 'port', 'up0', 'tag', 'vlan_mode', 'trunks'), '[]\n[]\n[]')
  t.deepEqual(await planNow(driver, desired(['up0'])), [])
  await t.throwsAsync(reconcileOnce(driver, desired(['up0', 'absent0'])), {
    code: 'PUR_LINK_FAILED',
    message: /uplink absent0 is no link of this host/,
  })
  await reconcileOnce(driver, desired([]))
  t.is(await host.vsctl('list-ports', 'dvs0'), '')
  await ip('link', 'delete', 'up0')
})

test.serial(
  'a run folder that dnsmasq’s user cannot enter is named, or it stays root',
  async (t) => {
    const options = { databaseSocket: host.databaseSocket, datapath: 'auto' } as const
    const closed = `${host.folder}/closed`
    await mkdir(closed, { mode: 0o750 })
    const strict = createVswitchDriver({
      ...options,
      runFolder: `${closed}/run`,
      serviceUser: 'dnsmasq',
    })
    await t.throwsAsync(reconcileOnce(strict, everything), {
      code: 'PUR_DHCP_FAILED',
      message: /user dnsmasq cannot enter .*\/closed; allow it: chmod o\+x/,
    })
    await reconcileOnce(strict, nothing)
    strict.close()
    const lenient = createVswitchDriver({ ...options, runFolder: `${closed}/run` })
    await reconcileOnce(lenient, everything)
    await host.plug(a)
    t.like(await a.client('dhcp4', a.mac, '5000'), { address: '10.77.0.50' })
    await reconcileOnce(lenient, nothing)
    lenient.close()
  },
)

test.serial('nothing of ours is left when nothing is wanted', async (t) => {
  await reconcileOnce(driver, everything)
  await reconcileOnce(driver, nothing)
  t.is(await host.vsctl('list-br'), '')
  t.notRegex(await ip('link', 'show'), /p(br|in|out|gs)-/)
  t.deepEqual(await planNow(driver, nothing), [])
  await t.throwsAsync(processOf('dnsmasq'), { code: 'ENOENT' })
})
