import { systemClock } from '@purlin/base'
import type { MovePhase } from '@purlin/schema'
import test from 'ava'
import type { FleetHost } from '../test/fleet/host.ts'
import type { FleetMachine } from '../test/fleet/machine.ts'
import { eventually, MOVER, MoveRig } from '../test/fleet/move-rig.ts'
import { startPings } from '../test/fleet/pings.ts'

const OPEN = 8_080
const CLOSED = 8_081

let rig: MoveRig
let a: FleetHost
let b: FleetHost
let mover: FleetMachine
let peer: FleetMachine
let stranger: FleetMachine

const rule = (protocol: string, ports: readonly string[]) => ({
  ...{ family: 'ipv4', protocol, action: 'allow', source: { groups: ['web'] } },
  ...(ports.length > 0 && { ports }),
})
const portGroup = (name: string, vlan: number) => ({
  kind: 'PortGroup',
  name,
  spec: { switch: 'dvs0', vlan, subnets: [{ cidr: '10.0.0.0/24' }] },
})
const machine = (name: string, host: string, last: number, groups: readonly string[]) => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    ...{ cpus: 1, memoryMiB: 64, image: 'probe', host },
    nics: [
      {
        name: 'eth0',
        portGroup: 'prod',
        addresses: [`10.0.0.${last}`],
        securityGroups: [...groups],
      },
    ],
  },
})

/** Whether the host would take the port away. It does so only when it knows that no machine uses
 *  it, which the libvirt of a host says: the rig has none. */
const isGivenUp = async (host: FleetHost): Promise<boolean> =>
  (await host.client.plan()).steps.some(({ summary }) => /^unplug mover\.eth0/.test(summary))

/** Moves the machine as whoever runs it does: it leaves when its place is prepared, and comes up
 *  when that is opened. `at` is called when a phase is reached. */
async function moved(
  to: FleetHost,
  at: (phase: MovePhase) => Promise<void> = async () => undefined,
): Promise<void> {
  const from = mover.host
  await from.client.network.movePort(MOVER, { host: to.name })
  await at('preparing')
  await rig.reached('prepared')
  await at('prepared')
  await mover.leave()
  await at('carried')
  await rig.reached('opened')
  await mover.arrive(to)
  await at('opened')
  await rig.reached(undefined)
}

test.before(async () => {
  rig = await MoveRig.start([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: { uplinks: ['up0'] } },
    portGroup('prod', 100),
    portGroup('test', 200),
    {
      kind: 'SecurityGroup',
      name: 'web',
      spec: {
        allowWithinGroup: false,
        inbound: [rule('tcp', [String(OPEN)]), rule('icmp', [])],
      },
    },
    { kind: 'SecurityGroup', name: 'other', spec: { inbound: [] } },
    machine('mover', 'host-a', 11, ['web']),
    machine('peer', 'host-a', 12, ['web']),
    machine('stranger', 'host-b', 13, ['other']),
  ])
  a = rig.a
  b = rig.b
  mover = await rig.made('mover', a)
  peer = await rig.made('peer', a)
  stranger = await rig.made('stranger', b)
  await rig.talk(mover, 'serve', String(OPEN))
  await rig.talk(mover, 'serve', String(CLOSED))
})

test.after.always(async () => {
  await rig?.end()
})

test.serial('agents show which frames reach which host, in every VLAN', async (t) => {
  const { paths, absent } = await b.client.network.probe('dvs0')
  t.deepEqual(absent, [])
  t.deepEqual(
    paths.map(({ vlan, from, to, state }) => `${vlan} ${from} ${to} ${state}`).toSorted(),
    [
      '100 host-a host-b reachable',
      '100 host-b host-a reachable',
      '200 host-a host-b reachable',
      '200 host-b host-a reachable',
    ],
  )
})

test.serial('a port does not move to a host where its port group is dead', async (t) => {
  await rig.fabric.carry(b, [0, 200])
  const error = await t.throwsAsync(a.client.network.movePort(MOVER, { host: 'host-b' }), {
    code: 'PUR_FABRIC_DEAD',
  })
  t.regex(
    error?.message ?? '',
    /port group prod is dead: frames of VLAN 100 from host-a \(up0\) do not reach host-b/,
  )
  t.is(await rig.phaseOf(a), undefined)
  const { paths } = await a.client.network.probe('dvs0')
  const dropped = paths.filter(({ state }) => state === 'dropped')
  t.deepEqual([...new Set(dropped.map(({ vlan }) => vlan))], [100])
  await rig.fabric.carry(b, [0, 100, 200])
})

test.serial(
  'a move under a TCP stream and pings: the stream lives, and nobody is let in who should not be',
  async (t) => {
    const stream = await rig.talk(peer, 'stream', mover.address, String(OPEN))
    const out = await rig
      .talk(peer, 'serve', String(OPEN))
      .then(() => rig.talk(mover, 'stream', peer.address, String(OPEN)))
    const knocks = await Promise.all([
      rig.talk(stranger, 'knock', mover.address, String(OPEN)),
      rig.talk(peer, 'knock', mover.address, String(CLOSED)),
    ])
    const knownIn = await rig.talk(peer, 'knock', mover.address, String(OPEN))
    const goneMs = { from: 0, to: 0 }
    const pings = startPings(peer, mover)
    t.teardown(() => pings.stop())
    await eventually('pings are answered', async () => pings.answered.size >= 10)
    await moved(b, async (phase) => {
      if (phase === 'prepared') goneMs.from = systemClock.monotonicMs()
      if (phase === 'opened') goneMs.to = systemClock.monotonicMs()
    })
    const mark = pings.sent
    const isAfter = (): number => [...pings.answered].filter((number) => number >= mark).length
    await eventually('pings go on at the new place', async () => isAfter() >= 20)
    const lost = pings.sent - pings.answered.size
    t.log(`away ${Math.round(goneMs.to - goneMs.from)} ms, ${lost} of ${pings.sent} pings lost`)
    for (const one of [stream, out]) {
      const { sent, back, broken } = await one.end()
      t.false(broken)
      t.is(back, sent, 'every line came back, in order')
    }
    t.true((await knownIn.end()).letIn > 0)
    for (const one of knocks) t.is((await one.end()).letIn, 0)
    t.is((await a.client.virtualMachines.get('mover')).spec.host, 'host-b')
    t.true(await isGivenUp(a), 'the old host takes rules and port away when nobody uses them')
    t.false(await isGivenUp(b))
  },
)

test.serial('who joins a group is let in on every host within a second', async (t) => {
  t.is(mover.host, b)
  const isIn = async (): Promise<boolean> => {
    const knocks = await rig.talk(stranger, 'knock', peer.address, String(OPEN))
    await systemClock.sleep(400)
    return (await knocks.end()).letIn > 0
  }
  t.false(await isIn())
  const web = (await a.rules()).match(/10\.0\.0\.13/g)?.length ?? 0
  await b.client.apply([machine('stranger', 'host-b', 13, ['web'])])
  const tookMs = await eventually(
    'the group of the other host',
    async () => ((await a.rules()).match(/10\.0\.0\.13/g)?.length ?? 0) > web,
    5_000,
  )
  t.log(`enforced on the other host after ${Math.round(tookMs)} ms`)
  t.true(tookMs < 1_000)
  t.true(await isIn())
  await a.client.apply([machine('stranger', 'host-b', 13, ['other'])])
  await eventually('left again', async () => !(await isIn()), 10_000)
})

test.serial('a move is given up while the machine has not left, and not after', async (t) => {
  await a.client.network.movePort(MOVER, { host: 'host-a' })
  await t.throwsAsync(a.client.network.movePort(MOVER, { host: 'host-a' }), {
    code: 'PUR_PORT_MOVE',
  })
  await rig.reached('prepared', b)
  t.deepEqual(await b.client.network.cancelPortMove(MOVER), {
    virtualMachine: 'mover',
    ports: [MOVER],
  })
  t.true(await isGivenUp(a))
  await t.throwsAsync(b.client.network.cancelPortMove(MOVER), { code: 'PUR_PORT_MOVE' })
})

const deaths = [
  ['preparing', 'to'],
  ['prepared', 'from'],
  ['carried', 'to'],
  ['opened', 'to'],
] as const

test.serial(
  'an agent killed at any step of a move goes on with it, and the stream lives',
  async (t) => {
    for (const [phase, side] of deaths) {
      const from = mover.host
      const to = from === a ? b : a
      const killed = side === 'from' ? from : to
      const stream = await rig.talk(peer, 'stream', mover.address, String(OPEN))
      const knock = await rig.talk(stranger, 'knock', mover.address, String(OPEN))
      await moved(to, async (reachedPhase) => {
        if (reachedPhase !== phase) return
        await killed.stopAgent('SIGKILL')
        await killed.startAgent()
      })
      const { sent, back, broken } = await stream.end()
      t.deepEqual({ back, broken }, { back: sent, broken: false }, `${phase}, agent of ${side}`)
      t.is((await knock.end()).letIn, 0, `${phase}, agent of ${side}`)
      t.is((await a.client.virtualMachines.get('mover')).spec.host, to.name)
    }
  },
)
