import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { systemClock } from '@purlin/base'
import type { MovePhase } from '@purlin/schema'
import test from 'ava'
import type { FleetHost } from '../test/fleet/host.ts'
import { FleetMachine } from '../test/fleet/machine.ts'
import { Fabric, ip } from '../test/fleet/open-vswitch.ts'
import { startPings } from '../test/fleet/pings.ts'
import { FleetRig } from '../test/fleet/rig.ts'

const OPEN = 8_080
const CLOSED = 8_081
const MOVER = 'mover.eth0'

let rig: FleetRig
let a: FleetHost
let b: FleetHost
let fabric: Fabric
let mover: FleetMachine
let peer: FleetMachine
let stranger: FleetMachine
const talkers = new Set<ChildProcess>()

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

async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  limitMs = 30_000,
): Promise<number> {
  const startMs = systemClock.monotonicMs()
  while (!(await holds())) {
    if (systemClock.monotonicMs() - startMs > limitMs) throw new Error(`not in time: ${what}`)
    await systemClock.sleep(10)
  }
  return systemClock.monotonicMs() - startMs
}

const phaseOf = async (host: FleetHost): Promise<MovePhase | undefined> =>
  (await host.client.ports.get(MOVER)).spec.move?.phase

const reached = (host: FleetHost, phase: MovePhase | undefined): Promise<number> =>
  eventually(`phase ${phase}`, async () => (await phaseOf(host)) === phase)

/** Whether rules and port of a NIC stand on its host. */
const isReady = async (host: FleetHost, port: string): Promise<boolean> => {
  const { status } = await host.client.ports.get(port)
  return status.conditions.every((one) => one.type !== 'Ready' || one.status === 'true')
}

/** Whether the host would take the port away. It does so only when it knows that no machine uses
 *  it, which the libvirt of a host says: the rig has none. */
const isGivenUp = async (host: FleetHost): Promise<boolean> =>
  (await host.client.plan()).steps.some(({ summary }) => /^unplug mover\.eth0/.test(summary))

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

/** Moves the machine as whoever runs it does: it leaves when its place is prepared, and comes up
 *  when that is opened. `at` is called when a phase is reached. */
async function moved(
  to: FleetHost,
  at: (phase: MovePhase) => Promise<void> = async () => undefined,
): Promise<void> {
  const from = mover.host
  await from.client.network.movePort(MOVER, { host: to.name })
  await at('preparing')
  await reached(a, 'prepared')
  await at('prepared')
  await mover.leave()
  await at('carried')
  await reached(a, 'opened')
  await mover.arrive(to)
  await at('opened')
  await reached(a, undefined)
}

test.before(async () => {
  rig = await FleetRig.start({ hosts: 2 })
  a = rig.host(0)
  b = rig.host(1)
  fabric = await Fabric.start(rig.folder, rig.hosts)
  await rig.startAgents()
  await a.client.apply([
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
  const made = async (name: string, host: FleetHost): Promise<FleetMachine> => {
    const port = `${name}.eth0`
    await eventually(`${port} stands`, async () => isReady(host, port))
    const { spec } = await host.client.ports.get(port)
    const one = await FleetMachine.make(name, spec, host)
    await one.plug()
    return one
  }
  mover = await made('mover', a)
  peer = await made('peer', a)
  stranger = await made('stranger', b)
  await talk(mover, 'serve', String(OPEN))
  await talk(mover, 'serve', String(CLOSED))
})

test.after.always(async () => {
  for (const child of talkers) child.kill('SIGKILL')
  for (const one of [mover, peer, stranger]) {
    if (one !== undefined) await ip('netns', 'del', one.name)
  }
  await fabric?.stop()
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
  await fabric.carry(b, [0, 200])
  const error = await t.throwsAsync(a.client.network.movePort(MOVER, { host: 'host-b' }), {
    code: 'PUR_FABRIC_DEAD',
  })
  t.regex(
    error?.message ?? '',
    /port group prod is dead: frames of VLAN 100 from host-a \(up0\) do not reach host-b/,
  )
  t.is(await phaseOf(a), undefined)
  const { paths } = await a.client.network.probe('dvs0')
  const dropped = paths.filter(({ state }) => state === 'dropped')
  t.deepEqual([...new Set(dropped.map(({ vlan }) => vlan))], [100])
  await fabric.carry(b, [0, 100, 200])
})

test.serial(
  'a move under a TCP stream and pings: the stream lives, and nobody is let in who should not be',
  async (t) => {
    const stream = await talk(peer, 'stream', mover.address, String(OPEN))
    const out = await talk(peer, 'serve', String(OPEN)).then(() =>
      talk(mover, 'stream', peer.address, String(OPEN)),
    )
    const knocks = await Promise.all([
      talk(stranger, 'knock', mover.address, String(OPEN)),
      talk(peer, 'knock', mover.address, String(CLOSED)),
    ])
    const knownIn = await talk(peer, 'knock', mover.address, String(OPEN))
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
    const knocks = await talk(stranger, 'knock', peer.address, String(OPEN))
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
  await reached(b, 'prepared')
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
      const stream = await talk(peer, 'stream', mover.address, String(OPEN))
      const knock = await talk(stranger, 'knock', mover.address, String(OPEN))
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
