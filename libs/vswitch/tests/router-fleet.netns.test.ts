import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'
import { devicesOf, gatewayMac, hostGatewayMac, routerDevice, routerMac } from '@purlin/schema'
import test from 'ava'
import type { VswitchDesired } from '../src/index.ts'
import { addressesOf, type Placed, portNameOf, routedHost, routerOf } from './support/routed.ts'
import { type HostName, type RoutedFleet, startRoutedFleet, WIRE } from './support/routed-fleet.ts'
import { keyOf, macOf } from './support/scenario.ts'

const PEER = fileURLToPath(new URL('./support/peer.ts', import.meta.url))
const FLOATING = '192.0.2.50'
const FORWARDED = '192.0.2.80'
const OWN = { one: '192.0.2.11', two: '192.0.2.12' } as const
const FAR = '198.51.100.7'

const near: Placed = { number: 50, portGroup: 'web', host: 'one' }
const outside: Placed = { number: 1, portGroup: 'public', host: 'one' }
const far: Placed = { number: 51, portGroup: 'web', host: 'two' }
const database: Placed = { number: 60, portGroup: 'db', host: 'two' }
const placed = [near, outside, far, database]

const edge = routerOf({
  portGroups: ['web', 'db'],
  external: {
    portGroup: 'public',
    nextHops: ['192.0.2.1'],
    hosts: [
      { host: 'one', addresses: [OWN.one] },
      { host: 'two', addresses: [OWN.two] },
    ],
  },
  portForwards: [
    { address: FORWARDED, protocol: 'tcp', ports: '8080', to: portNameOf(50), toPort: 80 },
    { address: FORWARDED, protocol: 'tcp', ports: '8081', to: portNameOf(51), toPort: 80 },
  ],
  floatingAddresses: [{ address: FLOATING, to: portNameOf(60) }],
})
const dvs0 = { name: 'dvs0', mtu: 1500, uplinks: ['up0'] }
let fleet: RoutedFleet

function desiredOf(host: HostName, machines: readonly Placed[] = placed): VswitchDesired {
  return { ...routedHost(host, machines, [edge], dvs0), host }
}

/** What crosses the physical switch and must not. */
const WATCH = `table bridge watch {
  chain wire {
    type filter hook forward priority 0
    ether saddr { ${['web', 'db'].map(gatewayMac).join(', ')} } counter comment "gateway"
    vlan id 100 udp dport { 67, 68, 546, 547 } counter comment "dhcp"
    vlan id 100 icmpv6 type { nd-router-solicit, nd-router-advert } counter comment "router"
    ether saddr != 00:00:00:00:00:00 counter comment "everything"
  }
}
`

async function crossed(): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await run('nft', ['list', 'table', 'bridge', 'watch'], { timeoutMs: 5_000 })
  const found = [...stdout.matchAll(/counter packets (\d+) bytes \d+ comment "(\w+)"/g)]
  return Object.fromEntries(found.map(([, count, name]) => [name, Number(count)]))
}

test.before(async () => {
  fleet = await startRoutedFleet(
    placed,
    (host) => desiredOf(host),
    async () => {
      await run('nft', ['-f', '-'], { timeoutMs: 5_000, input: WATCH })
    },
  )
  await fleet.enter(outside, 'ip', 'address', 'add', FAR, 'dev', 'lo')
})

test.after.always(async () => {
  await fleet?.stop()
})

test.serial(
  'routed packets of two hosts reach each other, both ways and in both families',
  async (t) => {
    for (const index of [0, 1] as const) {
      t.is(
        (await fleet.ask(near, addressesOf(far)[index], 80))?.[0],
        addressesOf(near)[index],
        'one network',
      )
      t.is((await fleet.ask(near, addressesOf(database)[index], 80))?.[0], addressesOf(near)[index])
      t.is(
        (await fleet.ask(database, addressesOf(near)[index], 80))?.[0],
        addressesOf(database)[index],
      )
      t.is(
        (await fleet.ask(database, addressesOf(far)[index], 80))?.[0],
        addressesOf(database)[index],
      )
    }
  },
)

test.serial(
  'a gateway has one MAC on every host, and no switch on the way ever sees it',
  async (t) => {
    for (const machine of [near, far]) {
      for (const gateway of ['10.1.0.1', 'fd01::1']) await fleet.ask(machine, gateway, 9)
      const known = await fleet.enter(machine, 'ip', 'neigh', 'show', 'dev', 'eth0')
      for (const address of ['10.1.0.1', 'fd01::1']) {
        t.regex(known, new RegExp(`^${address} lladdr ${gatewayMac('web')} `, 'm'))
      }
    }
    const learnt = (await run('bridge', ['fdb', 'show', 'br', WIRE], { timeoutMs: 5_000 })).stdout
    t.true(learnt.includes(hostGatewayMac('db', 'one')), learnt)
    t.true(learnt.includes(hostGatewayMac('web', 'two')))
    for (const group of ['web', 'db']) t.false(learnt.includes(gatewayMac(group)))
  },
)

test.serial('a machine in the network that nobody told of is reached too', async (t) => {
  await fleet.enter(far, 'ip', 'address', 'add', '10.1.0.200/24', 'dev', 'eth0')
  t.is(
    (await fleet.ask(database, '10.1.0.200', 80))?.[2],
    '10.1.0.200',
    'by the router of its own host',
  )
  await fleet.enter(near, 'ip', 'address', 'add', '10.1.0.201/24', 'dev', 'eth0')
  t.is((await fleet.ask(database, '10.1.0.201', 80))?.[2], '10.1.0.201', 'by that of another')
  t.is((await fleet.ask(database, '10.1.0.201', 80))?.[0], addressesOf(database)[0])
})

test.serial('DHCP, router solicitations and advertisements never cross the wire', async (t) => {
  const lease = { address: '10.1.0.50', router: '10.1.0.1' }
  for (const [machine, address] of [
    [near, '10.1.0.50'],
    [far, '10.1.0.51'],
  ] as const) {
    const answer = await fleet
      .hostOf(machine)
      .call('client', keyOf(machine.number), 'dhcp4', macOf(machine.number), '5000')
    t.like(answer, { ...lease, address })
    await fleet.enter(machine, 'ip', 'link', 'set', 'eth0', 'down')
    await fleet.enter(machine, 'ip', 'link', 'set', 'eth0', 'up')
    await fleet.enter(
      machine,
      'ip',
      'address',
      'replace',
      `${addressesOf(machine)[1]}/64`,
      'dev',
      'eth0',
      'nodad',
    )
    await fleet.enter(machine, 'ip', 'route', 'replace', 'default', 'via', '10.1.0.1')
    await fleet.enter(machine, 'ip', '-6', 'route', 'replace', 'default', 'via', 'fd01::1')
  }
  const seen = await crossed()
  t.true((seen.everything ?? 0) > 50, 'the watch sees the wire')
  t.like(seen, { gateway: 0, dhcp: 0, router: 0 })
})

test.serial('each host’s machines go out under its own address', async (t) => {
  t.is((await fleet.ask(near, FAR, 80))?.[0], OWN.one)
  t.is((await fleet.ask(far, FAR, 80))?.[0], OWN.two)
  t.is((await fleet.ask(database, FAR, 80))?.[0], FLOATING)
  const known = await fleet.enter(outside, 'ip', 'neigh', 'show', 'dev', 'eth0')
  t.regex(known, new RegExp(`${OWN.two} .*lladdr ${routerMac('edge', 'two')}`))
})

test.serial(
  'forwards of one address lead to machines of several hosts, who see who asks',
  async (t) => {
    t.deepEqual(
      (await fleet.ask(outside, FORWARDED, 8080))?.filter((_, at) => at % 2 === 0),
      [addressesOf(outside)[0], addressesOf(near)[0]],
    )
    t.deepEqual(
      (await fleet.ask(outside, FORWARDED, 8081))?.filter((_, at) => at % 2 === 0),
      [addressesOf(outside)[0], addressesOf(far)[0]],
    )
  },
)

test.serial('a floating address moves with its machine, and the wire is told', async (t) => {
  t.is((await fleet.ask(outside, FLOATING, 80))?.[2], addressesOf(database)[0])
  const mac = (host: string): RegExp =>
    new RegExp(`^${FLOATING} dev eth0 lladdr ${routerMac('edge', host)}`, 'm')
  t.regex(await fleet.enter(outside, 'ip', 'neigh', 'show'), mac('two'))
  const moved = placed.map((one) => (one === database ? { ...one, host: 'one' } : one))
  const talking = fleet.enter(outside, process.execPath, PEER, 'talk', FLOATING, '80', '60', '100')
  await new Promise((resolve) => {
    setTimeout(resolve, 1_000)
  })
  // Rules and ports first, then the machine's tap, then the word to the wire.
  await fleet.hosts.one.call('reconcile', desiredOf('one', moved))
  const { tap, bridge, outer } = devicesOf(keyOf(60))
  await fleet.hosts.two.call(
    'run',
    'ip',
    'link',
    'set',
    tap,
    'netns',
    String(fleet.hosts.one.processId),
  )
  await fleet.hosts.one.call('plugTap', tap, bridge)
  const [four, six] = addressesOf(database)
  const port = { bridge: 'dvs0', device: outer, mac: macOf(60), addresses: [four, six] }
  t.true(await fleet.hosts.one.call('announce', port, 2))
  await fleet.hosts.two.call('reconcile', desiredOf('two', moved))
  t.regex(
    await fleet.enter(outside, 'ip', 'neigh', 'show'),
    mac('one'),
    'it was told, it did not ask',
  )
  t.is((await fleet.ask(outside, FLOATING, 80))?.[2], four)
  t.is((await fleet.ask(far, four, 80))?.[0], addressesOf(far)[0], 'its network knows where it is')
  t.is(JSON.parse(await talking), 60, 'the connection lives on')
  t.like(await crossed(), { gateway: 0, dhcp: 0, router: 0 })
})

test.serial('a port that is not open is not announced', async (t) => {
  const port = { bridge: 'dvs0', device: routerDevice('none'), mac: macOf(1), addresses: [] }
  t.false(await fleet.hosts.one.call('announce', port, 1))
})

test.serial('any host answers alike for the whole port group', async (t) => {
  const everyone = [near, far]
  const answers = await Promise.all(
    everyone.map(async (from) => {
      const key = keyOf(from.number)
      const client = async (...words: readonly string[]): Promise<unknown> =>
        await fleet.hostOf(from).call('client', key, ...words)
      const told: unknown[] = []
      for (const { number } of everyone) {
        const name = `vm-${number}.web.example`
        told.push(await client('dns', '10.1.0.1', name, 'A'))
        told.push(await client('dns', '10.1.0.1', name, 'AAAA'))
        told.push(await client('dns', '10.1.0.1', `10.1.0.${number}`, 'PTR'))
      }
      // The MAC of a machine of the other host, and one that nobody knows.
      const other = from === near ? far : near
      const mac = macOf(other.number)
      const lease = (await client('dhcp4', mac, '5000')) as { readonly address?: string } | null
      t.is(lease?.address, addressesOf(other)[0])
      t.is(await client('dhcp4', '52:54:00:00:00:ee', '1000'), null)
      return told
    }),
  )
  t.deepEqual(answers[0], answers[1])
  t.deepEqual(answers[0]?.slice(0, 3), [['10.1.0.50'], ['fd01::50'], ['vm-50.web.example']])
})
