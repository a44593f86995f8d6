import { systemClock } from '@purlin/base'
import type { PortSpec } from '@purlin/schema'
import test from 'ava'
import type { FleetMachine } from '../test/fleet/machine.ts'
import { eventually, MOVER, MoveRig } from '../test/fleet/move-rig.ts'

const OPEN = '8080'
const CLOSED = '8081'
const NICS = ['eth0', 'eth1', 'eth2'] as const

let rig: MoveRig
let mover: FleetMachine
let peer: FleetMachine

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

/** Whether a connection to the machine's NIC comes about within a moment. */
async function isLetIn(nic: number, port: string): Promise<boolean> {
  const knocks = await rig.talk(peer, 'knock', mover.nics[nic]?.port.ipv4[0] ?? '', port)
  await systemClock.sleep(600)
  return (await knocks.end()).letIn > 0
}

test.before(async () => {
  rig = await MoveRig.start([
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
  const pathOf = ({ portGroup: group }: PortSpec) =>
    group === 'direct' ? ('direct' as const) : ('filterable' as const)
  mover = await rig.made('mover', rig.a, NICS, pathOf)
  peer = await rig.made('peer', rig.a, NICS, pathOf)
  for (const port of [OPEN, CLOSED]) await rig.talk(mover, 'serve', port, '::')
})

test.after.always(async () => {
  await rig?.end()
})

test.serial(
  'a machine moves with all its NICs: streams of both families and of a direct port live on, and all are filtered there',
  async (t) => {
    const [first, second, direct] = mover.nics.map(({ port }) => port)
    await eventually('the direct port is reached', () => isLetIn(2, OPEN))
    const streams = await Promise.all(
      [first?.ipv4[0], first?.ipv6[0], second?.ipv4[0], direct?.ipv4[0]].map((address = '') =>
        rig.talk(peer, 'stream', address, OPEN),
      ),
    )
    t.false(await isLetIn(2, CLOSED))
    const asked = await rig.a.client.network.movePort(MOVER, { host: rig.b.name })
    t.regex(asked.warnings?.join() ?? '', /^port mover\.eth2 is direct: [^;]*within 30 s/)
    t.deepEqual(asked.ports.toSorted(), ['mover.eth0', 'mover.eth1', 'mover.eth2'])
    await rig.reached('prepared')
    await mover.leave()
    await rig.reached('opened')
    await mover.arrive(rig.b)
    await rig.reached(undefined)
    for (const port of asked.ports) {
      t.is((await rig.b.client.ports.get(port)).spec.move, undefined, port)
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
