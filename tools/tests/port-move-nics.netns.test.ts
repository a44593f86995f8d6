import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { systemClock } from '@purlin/base'
import type { MovePhase, PortSpec } from '@purlin/schema'
import test from 'ava'
import type { FleetHost } from '../test/fleet/host.ts'
import { FleetMachine, type FleetNic } from '../test/fleet/machine.ts'
import { Fabric, ip } from '../test/fleet/open-vswitch.ts'
import { FleetRig } from '../test/fleet/rig.ts'

const OPEN = '8080'
const CLOSED = '8081'
const MOVER = 'mover.eth0'
const NICS = ['eth0', 'eth1', 'eth2'] as const

let rig: FleetRig
let a: FleetHost
let b: FleetHost
let fabric: Fabric
let mover: FleetMachine
let peer: FleetMachine
const talkers = new Set<ChildProcess>()

const rule = (family: 'ipv4' | 'ipv6') => ({
  ...{ family, protocol: 'tcp', ports: [OPEN], action: 'allow' },
  source: { groups: ['web'] },
})
const portGroup = (name: string, vlan: number, subnets: readonly string[], rest: object = {}) => ({
  kind: 'PortGroup',
  name,
  spec: { switch: 'dvs0', vlan, subnets: subnets.map((cidr) => ({ cidr })), ...rest },
})
/** Both families on the first NIC, a second filterable one, and a direct one. */
const machine = (name: string, last: number) => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    ...{ cpus: 1, memoryMiB: 64, image: 'probe', host: 'host-a' },
    nics: [
      ['both', `10.0.0.${last}`, `fd00::${last}`],
      ['second', `10.0.1.${last}`],
      ['direct', `10.0.2.${last}`],
    ].map(([group, ...addresses], index) => ({
      ...{ name: `eth${index}`, portGroup: group, addresses, securityGroups: ['web'] },
    })),
  },
})

async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const endMs = systemClock.monotonicMs() + limitMs
  while (!(await holds())) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`not in time: ${what}`)
    await systemClock.sleep(10)
  }
}

const reached = (phase: MovePhase | undefined): Promise<void> =>
  eventually(`phase ${phase}`, async () => {
    return (await a.client.ports.get(MOVER)).spec.move?.phase === phase
  })

async function made(name: string): Promise<FleetMachine> {
  const specs: PortSpec[] = []
  for (const nic of NICS) {
    const port = `${name}.${nic}`
    await eventually(`${port} stands`, async () => {
      const { status } = await a.client.ports.get(port)
      return status.conditions.every((one) => one.type !== 'Ready' || one.status === 'true')
    })
    specs.push((await a.client.ports.get(port)).spec)
  }
  const [first, ...others] = specs
  if (first === undefined) throw new Error('it has NICs')
  const further = others.map(
    (port): FleetNic => ({ port, path: port.portGroup === 'direct' ? 'direct' : 'filterable' }),
  )
  const one = await FleetMachine.make(name, first, a, further)
  await one.plug()
  return one
}

/** Starts a talker and answers when it is ready; `end` gives its last line. */
async function talk(from: FleetMachine, ...words: readonly string[]) {
  const child = from.talk(...words)
  talkers.add(child)
  const lines: string[] = []
  const over = new Promise((resolve) => child.once('exit', resolve))
  if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => lines.push(line))
  await eventually(`${words[0]} is ready`, async () => lines[0] === 'ready')
  return {
    end: async () => {
      child.kill('SIGTERM')
      await over
      return JSON.parse(lines.at(-1) ?? '')
    },
  }
}

/** Whether a connection to the machine's NIC comes about within a moment. */
async function isLetIn(nic: number, port: string): Promise<boolean> {
  const knocks = await talk(peer, 'knock', mover.nics[nic]?.port.ipv4[0] ?? '', port)
  await systemClock.sleep(600)
  return (await knocks.end()).letIn > 0
}

test.before(async () => {
  rig = await FleetRig.start({ hosts: 2 })
  a = rig.host(0)
  b = rig.host(1)
  fabric = await Fabric.start(rig.folder, rig.hosts)
  await rig.startAgents()
  await a.client.apply([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: { uplinks: ['up0'] } },
    portGroup('both', 100, ['10.0.0.0/24', 'fd00::/64']),
    portGroup('second', 200, ['10.0.1.0/24']),
    portGroup('direct', 300, ['10.0.2.0/24'], { ports: 'direct' }),
    {
      kind: 'SecurityGroup',
      name: 'web',
      spec: { allowWithinGroup: false, inbound: [rule('ipv4'), rule('ipv6')] },
    },
    machine('mover', 11),
    machine('peer', 12),
  ])
  mover = await made('mover')
  peer = await made('peer')
  for (const port of [OPEN, CLOSED]) await talk(mover, 'serve', port, '::')
})

test.after.always(async () => {
  for (const child of talkers) child.kill('SIGKILL')
  for (const one of [mover, peer]) if (one !== undefined) await ip('netns', 'del', one.name)
  await fabric?.stop()
  await rig?.end()
})

test.serial(
  'a machine moves with all its NICs: streams of both families live on, direct ports are filtered there',
  async (t) => {
    const [first, second] = mover.nics.map(({ port }) => port)
    const streams = await Promise.all(
      [first?.ipv4[0], first?.ipv6[0], second?.ipv4[0]].map((address = '') =>
        talk(peer, 'stream', address, OPEN),
      ),
    )
    await eventually('the direct port is reached', () => isLetIn(2, OPEN))
    t.false(await isLetIn(2, CLOSED))
    const asked = await a.client.network.movePort(MOVER, { host: b.name })
    t.deepEqual(asked.ports.toSorted(), ['mover.eth0', 'mover.eth1', 'mover.eth2'])
    await reached('prepared')
    await mover.leave()
    await reached('opened')
    await mover.arrive(b)
    await reached(undefined)
    for (const port of asked.ports) {
      t.is((await b.client.ports.get(port)).spec.move, undefined, port)
    }
    await systemClock.sleep(500)
    for (const stream of streams) {
      const { sent, back, broken } = await stream.end()
      t.false(broken)
      t.is(back, sent, 'every line came back, in order')
      t.true(sent > 20)
    }
    for (const nic of mover.nics.keys()) {
      await eventually(`${NICS[nic]} is reached at its new place`, () => isLetIn(nic, OPEN))
      t.false(await isLetIn(nic, CLOSED), `${NICS[nic]} is filtered there`)
    }
  },
)
