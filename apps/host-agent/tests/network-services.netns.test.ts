import { fileURLToPath } from 'node:url'
import { formatAddress, linkLocalOfMac, systemClock } from '@purlin/base'
import { explainPacket } from '@purlin/netfilter'
import { explainRouted, gatewayMac } from '@purlin/schema'
import { type Catalogue, catalogueOf, resourceKey, type StoredRecord } from '@purlin/service'
import test from 'ava'
import { admitApply } from '../src/admit/change.ts'
import { netfilterDesired } from '../src/desired/netfilter.ts'
import { routedNetwork } from '../src/desired/routers.ts'
import { vswitchDesired } from '../src/desired/vswitch.ts'
import type { LabMachine } from './lab-host.ts'
import { type SwitchLab, startLab } from './switch-lab.ts'

const support = (file: string): string =>
  fileURLToPath(new URL(`../../../libs/vswitch/tests/support/${file}`, import.meta.url))
const PEER = support('peer.ts')
const LOAD = support('dhcp-load.ts')

const portGroup = (name: string, vlan: number, subnets: readonly object[]) => ({
  kind: 'PortGroup',
  name,
  spec: { switch: 'dvs0', vlan, subnets },
})
const machine = (name: string, group: string, nic: object = {}) => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    cpus: 1,
    memoryMiB: 128,
    image: 'probe',
    nics: [{ name: 'eth0', portGroup: group, ...nic }],
  },
})
const tcp = (port: string, source: object) => ({
  family: 'ipv4',
  protocol: 'tcp',
  ports: [port],
  source,
  action: 'allow',
})

function documents(rogueGuards: object): readonly object[] {
  return [
    { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
    portGroup('web', 100, [
      { cidr: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: { from: '10.1.0.50', to: '10.1.0.99' } },
      { cidr: 'fd01::/64', gateway: 'fd01::1', dhcp: { from: 'fd01::50', to: 'fd01::99' } },
    ]),
    portGroup('db', 200, [
      { cidr: '10.2.0.0/24', gateway: '10.2.0.1', dhcp: { from: '10.2.0.50', to: '10.2.0.99' } },
    ]),
    portGroup('public', 400, [{ cidr: '192.0.2.0/24' }]),
    portGroup('lone', 300, [
      { cidr: '10.3.0.0/24', gateway: '10.3.0.1', dhcp: { from: '10.3.0.50', to: '10.3.0.99' } },
    ]),
    {
      kind: 'Router',
      name: 'edge',
      spec: {
        portGroups: ['web', 'db'],
        external: {
          portGroup: 'public',
          nextHops: ['192.0.2.1'],
          hosts: [{ host: 'one', addresses: ['192.0.2.11'] }],
        },
        floatingAddresses: [{ address: '192.0.2.50', to: 'db-1.eth0' }],
        portForwards: [
          { address: '192.0.2.80', protocol: 'tcp', ports: '8080', to: 'web-1.eth0', toPort: 80 },
        ],
      },
    },
    {
      kind: 'SecurityGroup',
      name: 'web',
      spec: { inbound: [tcp('80', { cidrs: ['192.0.2.0/25'] })] },
    },
    {
      kind: 'SecurityGroup',
      name: 'db',
      spec: {
        inbound: [tcp('5432', { groups: ['web'] }), tcp('22', { addresses: ['192.0.2.1'] })],
      },
    },
    machine('web-1', 'web', { securityGroups: ['web'] }),
    machine('web-2', 'web', { guards: rogueGuards }),
    machine('web-3', 'web'),
    machine('db-1', 'db', { securityGroups: ['db'] }),
    machine('lone-1', 'lone'),
    machine('outside', 'public', { addresses: ['192.0.2.1'] }),
  ]
}

function catalogue(rogueGuards: object = {}): Catalogue {
  const empty = catalogueOf(new Map(), 0)
  const { changes } = admitApply(empty, documents(rogueGuards), ['probe'], 1)
  const records = changes.flatMap(({ kind, name, after }): [string, StoredRecord][] =>
    after === undefined ? [] : [[resourceKey(kind, name), { ...after, revision: 1 }]],
  )
  return catalogueOf(new Map(records), 1)
}

let lab: SwitchLab
const machines = new Map<string, LabMachine>()
const standing = catalogue()

const at = (name: string): LabMachine => {
  const found = machines.get(name)
  if (found === undefined) throw new Error(`no machine ${name}`)
  return found
}
const addressOf = (name: string): string =>
  standing.get('Port', `${name}.eth0`)?.manifest.spec.ipv4[0] ?? ''

async function enforce(wanted: Catalogue): Promise<void> {
  await lab.enforce(netfilterDesired(wanted, undefined, 'one'), vswitchDesired(wanted, 'one'))
}

async function reaches(from: string, address: string, port: number): Promise<boolean> {
  const words = ['ask', address, String(port), '1500']
  return (await at(from).command(process.execPath, PEER, ...words)).trim() !== 'null'
}

test.before(async () => {
  lab = await startLab()
  await enforce(standing)
  for (const { manifest } of standing.list('Port')) {
    const { virtualMachine: name, portGroup: group, ipv4 } = manifest.spec
    const one = await lab.machine(manifest.spec)
    machines.set(name, one)
    await one.command('ip', 'address', 'add', `${ipv4[0]}/24`, 'dev', 'eth0')
    if (group !== 'public') {
      const gateway = `${ipv4[0]?.slice(0, ipv4[0].lastIndexOf('.'))}.1`
      await one.command('ip', 'route', 'add', 'default', 'via', gateway)
    }
    await one.start(process.execPath, PEER, 'serve', '22', '80', '5432')
  }
})

test.after.always(async () => {
  await lab?.stop()
})

test.serial('routed packets pass the lists of both ends, and explain says so before', async (t) => {
  const policy = netfilterDesired(standing)
  const network = routedNetwork(standing, 'one')
  const seen: string[] = []
  for (const [from, to, port] of [
    ['web-1', 'db-1', 5432],
    ['web-1', 'db-1', 22],
    ['web-3', 'db-1', 5432],
    ['db-1', 'web-1', 80],
    ['db-1', 'web-3', 80],
    ['web-1', 'lone-1', 80],
    ['outside', '192.0.2.80', 8080],
    ['outside', '192.0.2.80', 80],
    ['outside', '192.0.2.50', 22],
    ['outside', '192.0.2.50', 5432],
    ['web-1', '192.0.2.50', 22],
    ['db-1', 'outside', 80],
    ['lone-1', 'outside', 80],
  ] as const) {
    const address = to.startsWith('192') ? to : addressOf(to)
    const question = { from, to: address, protocol: 'tcp', destinationPort: port } as const
    const told = explainRouted(network, question, (asked) => explainPacket(policy, asked))
    const reached = await reaches(from, address, port)
    t.is(told.verdict, reached ? 'allow' : 'deny', told.sentence)
    seen.push(`${from} ${to} ${port} ${reached ? 'allow' : 'deny'}`)
  }
  t.deepEqual(seen, [
    'web-1 db-1 5432 allow',
    'web-1 db-1 22 deny',
    'web-3 db-1 5432 deny',
    'db-1 web-1 80 deny',
    'db-1 web-3 80 allow',
    'web-1 lone-1 80 deny',
    'outside 192.0.2.80 8080 allow',
    'outside 192.0.2.80 80 deny',
    'outside 192.0.2.50 22 allow',
    'outside 192.0.2.50 5432 deny',
    'web-1 192.0.2.50 22 deny',
    'db-1 outside 80 allow',
    'lone-1 outside 80 deny',
  ])
})

interface Heard {
  readonly servers: readonly string[]
  readonly answered: number
  readonly lost: number
  readonly wrong: number
}

/** Leases again and again for a while, and what came back. */
async function lease(name: string): Promise<Heard> {
  const mac = standing.get('Port', `${name}.eth0`)?.manifest.spec.mac
  const machines = [{ mac, address: addressOf(name) }]
  const load = { machines, slots: 1, durationMs: 1_500, patienceMs: 5_000 }
  return JSON.parse(await at(name).command(process.execPath, LOAD, JSON.stringify(load)))
}

async function routersOf(name: string): Promise<string> {
  await at(name).command('ip', 'link', 'set', 'eth0', 'down')
  await at(name).command('ip', 'link', 'set', 'eth0', 'up')
  await systemClock.sleep(7_000)
  const routes = await at(name).command('ip', '-6', 'route', 'show', 'default')
  await at(name).command('ip', 'address', 'replace', `${addressOf(name)}/24`, 'dev', 'eth0')
  await at(name).command('ip', 'route', 'replace', 'default', 'via', '10.1.0.1')
  return routes
}

/** A whole dnsmasq in a machine: it leases, is quick about it, and advertises itself as a
 *  router. */
test.serial('a rogue DHCP server and router in a machine is heard by nobody', async (t) => {
  const rogue = at('web-2')
  const own = addressOf('web-2')
  await rogue.command('ip', 'address', 'add', 'fd66::1/64', 'dev', 'eth0', 'nodad')
  const server = await rogue.start(
    'sh',
    '-c',
    'echo ready; exec dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=eth0 --bind-interfaces --user=root --pid-file= --no-ping --dhcp-authoritative --dhcp-leasefile=/dev/null --dhcp-range=10.1.0.200,10.1.0.250,1h --dhcp-range=fd66::,ra-only --enable-ra --ra-param=eth0,4',
  )
  await systemClock.sleep(1_000)
  const gateway = `via ${formatAddress(linkLocalOfMac(gatewayMac('web')))}`
  for (const victim of ['web-1', 'web-3']) {
    const heard = await lease(victim)
    t.deepEqual(heard.servers, ['10.1.0.1'], victim)
    t.like(heard, { lost: 0, wrong: 0 })
    t.true(heard.answered >= 2)
  }
  const routes = await routersOf('web-3')
  t.true(routes.includes(gateway), routes)
  t.is(routes.split('\n').filter((line) => line.includes('proto ra')).length, 1, routes)

  // The same machine without its guards is heard, so the test bites.
  await enforce(catalogue({ dhcpServer: false, router: false, ipv6Source: false }))
  t.deepEqual((await lease('web-3')).servers, ['10.1.0.1', own].sort())
  t.true((await routersOf('web-3')).split('\n').filter((line) => line.includes('via')).length > 1)
  t.deepEqual((await lease('web-1')).servers, ['10.1.0.1'], 'a list lets in its own server alone')
  server.kill('SIGKILL')
  await enforce(standing)
})
