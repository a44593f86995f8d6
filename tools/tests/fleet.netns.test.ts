import { systemClock } from '@purlin/base'
import { openEtcdStore } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import type { FleetHost } from '../test/fleet/host.ts'
import { FleetRig, type FleetRigOptions } from '../test/fleet/rig.ts'

/** A rig with agents that answer; it goes with the test. */
async function fleet(t: ExecutionContext, options: FleetRigOptions): Promise<FleetRig> {
  const rig = await FleetRig.start(options)
  t.teardown(() => rig.end())
  await rig.startAgents()
  return rig
}

async function eventually(holds: () => Promise<boolean>, limitMs = 30_000): Promise<boolean> {
  const untilMs = systemClock.monotonicMs() + limitMs
  for (;;) {
    if (await holds()) return true
    if (systemClock.monotonicMs() > untilMs) return false
    await systemClock.sleep(50)
  }
}

const group = (name: string, spec: Record<string, unknown> = {}) => ({
  kind: 'SecurityGroup',
  name,
  spec,
})

const network = [
  { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
  {
    kind: 'PortGroup',
    name: 'prod',
    spec: {
      switch: 'dvs0',
      subnets: [
        { cidr: '10.0.0.0/24', gateway: '10.0.0.1', dhcp: { from: '10.0.0.50', to: '10.0.0.99' } },
      ],
    },
  },
]

const machine = (name: string, host: string) => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    cpus: 1,
    memoryMiB: 64,
    image: 'probe',
    host,
    nics: [{ name: 'eth0', portGroup: 'prod', securityGroups: ['web'] }],
  },
})

/** Whether the rules of a NIC are in force in the host's kernel. */
const enforces = async (host: FleetHost, port: string): Promise<boolean> =>
  (await host.rules()).includes(port)

const storeState = async ({ client }: FleetHost): Promise<string | undefined> =>
  (await client.health({ attempts: 1 })).store?.state

test.serial(
  'a change through one agent holds on all: each host filters its own machines, with members everywhere',
  async (t) => {
    const rig = await fleet(t, { hosts: 2 })
    const [a, b] = [rig.host(0), rig.host(1)]
    const rule = {
      family: 'ipv4',
      protocol: 'tcp',
      ports: ['80'],
      source: { groups: ['web'] },
      action: 'allow',
    }
    await a.client.apply([group('web', { inbound: [rule] }), ...network])
    await b.client.apply([machine('web-1', 'host-a'), machine('web-2', 'host-b')])
    t.true(await eventually(() => enforces(a, 'web-1.eth0')))
    t.true(await eventually(() => enforces(b, 'web-2.eth0')))
    t.false(await enforces(a, 'web-2.eth0'))
    t.false(await enforces(b, 'web-1.eth0'))
    const ports = await a.client.ports.list()
    t.deepEqual(ports.flatMap(({ spec }) => spec.ipv4).toSorted(), ['10.0.0.50', '10.0.0.51'])
    for (const host of [a, b]) {
      const rules = await host.rules()
      for (const address of ['10.0.0.50', '10.0.0.51']) t.true(rules.includes(address))
    }
    await t.throwsAsync(b.client.apply([machine('web-3', 'host-x')]), { code: 'PUR_INVALID' })
  },
)

test.serial(
  'machines applied through several agents at once get addresses of their own, and every apply is made',
  async (t) => {
    const rig = await fleet(t, { hosts: 3 })
    await (await rig.host(0).client.apply([group('web'), ...network]))
      .wait({ deadlineMs: 1_000 })
      .catch(() => undefined)
    const names = Array.from({ length: 24 }, (_, n) => `vm-${n}`)
    await Promise.all(
      names.map((name, n) => {
        const host = rig.host(n % 3)
        return host.client.apply([machine(name, host.name)])
      }),
    )
    const ports = await rig.host(1).client.ports.list()
    t.is(ports.length, 24)
    for (const unique of ['ipv4', 'mac', 'conntrackZone', 'deviceKey'] as const) {
      t.is(new Set(ports.map(({ spec }) => String(spec[unique]))).size, 24, unique)
    }
  },
)

test.serial('one idempotency key through two agents is one task', async (t) => {
  const rig = await fleet(t, { hosts: 2 })
  for (let n = 0; n < 5; n++) {
    const idempotencyKey = `key-${n}`
    const [one, other] = await Promise.all(
      rig.hosts.map(({ client }) => client.apply([group(`g-${n}`)], { idempotencyKey })),
    )
    t.is(one?.id, other?.id)
  }
  t.is((await rig.host(0).client.tasks.list()).length, 5)
})

test.serial(
  'etcd gone: agents enforce and repair, refuse changes with a code, and name it; back: they catch up by revision',
  async (t) => {
    const rig = await fleet(t, { hosts: 2, members: 3 })
    const [a, b] = [rig.host(0), rig.host(1)]
    await a.client.apply([group('web'), ...network, machine('web-1', 'host-a')])
    t.true(await eventually(() => enforces(a, 'web-1.eth0')))
    await rig.etcd?.kill(0)
    await b.client.apply([group('second')])
    const known = async (): Promise<number> => (await a.client.securityGroups.list()).length
    t.true(await eventually(async () => (await known()) === 2), 'a watch goes on at another member')
    await rig.etcd?.kill(1)
    t.true(await eventually(async () => (await storeState(a)) === 'unreachable'))
    const health = await a.client.health()
    t.is(health.status, 'degraded')
    t.regex(health.store?.found ?? '', /no majority of etcd answers/)
    await t.throwsAsync(a.client.apply([group('third')], { attempts: 1 }), {
      code: 'PUR_STORE_UNREACHABLE',
    })
    t.is(await known(), 2)
    // Somebody takes the rules away: the agent puts them back by what it knows.
    await a.run('/usr/sbin/nft', ['flush', 'ruleset'])
    t.true(await eventually(() => enforces(a, 'web-1.eth0')))
    await rig.etcd?.start(0)
    await rig.etcd?.start(1)
    t.true(await eventually(async () => (await storeState(b)) === 'ok'))
    await b.client.apply([machine('web-2', 'host-a'), group('third')])
    t.true(await eventually(() => enforces(a, 'web-2.eth0')))
    t.true(await eventually(async () => (await storeState(a)) === 'ok'))
  },
)

test.serial(
  'an agent that starts while etcd is away enforces what it last knew, and catches up later',
  async (t) => {
    const rig = await fleet(t, { hosts: 2 })
    const [a, b] = [rig.host(0), rig.host(1)]
    await a.client.apply([group('web'), ...network, machine('web-1', 'host-a')])
    t.true(await eventually(() => enforces(a, 'web-1.eth0')))
    t.is(await a.stopAgent(), 0)
    await b.client.apply([machine('web-2', 'host-a')])
    await rig.etcd?.kill(0)
    await a.run('/usr/sbin/nft', ['flush', 'ruleset'])
    await a.startAgent()
    t.true(await eventually(() => enforces(a, 'web-1.eth0')))
    t.is(await storeState(a), 'unreachable')
    t.deepEqual(
      (await a.client.virtualMachines.list()).map(({ name }) => name),
      ['web-1'],
    )
    await rig.etcd?.start(0)
    t.true(await eventually(() => enforces(a, 'web-2.eth0')))
    t.is(await storeState(a), 'ok')
  },
)

test.serial(
  'kill -9 of an agent: its host is away, its change can be taken back elsewhere, and it goes on where it was',
  async (t) => {
    const rig = await fleet(t, { hosts: 2 })
    const [a, b] = [rig.host(0), rig.host(1)]
    const present = async (name: string): Promise<string | undefined> =>
      (await b.client.hosts.list()).find((host) => host.name === name)?.status.conditions[0]?.status
    t.true(await eventually(async () => (await present('host-a')) === 'true'))
    // No host has Open vSwitch, so that this task stays open.
    const { id } = await a.client.apply([network[0]])
    await a.stopAgent('SIGKILL')
    t.true(await eventually(async () => (await present('host-a')) === 'false'))
    await (await b.client.apply([group('later')])).wait({ deadlineMs: 20_000 })
    t.is((await b.client.tasks.cancel(id)).state, 'cancelled')
    t.deepEqual(await b.client.distributedSwitches.list(), [])
    await a.startAgent()
    t.true(await eventually(async () => (await present('host-a')) === 'true'))
    t.deepEqual(
      (await a.client.securityGroups.list()).map(({ name }) => name),
      ['later'],
    )
    const sequences: number[] = []
    const hosts = new Set<string | undefined>()
    for await (const event of a.client.events({ after: 0, follow: false })) {
      sequences.push(event.sequence)
      hosts.add(event.host)
    }
    t.deepEqual(
      sequences,
      sequences.map((_, index) => index + 1),
    )
    t.deepEqual([...hosts].toSorted(), ['host-a', 'host-b'])
  },
)

test.serial(
  'a task waits for every host that is there; when its own agent dies another one ends it',
  async (t) => {
    const rig = await fleet(t, { hosts: 2 })
    const [a, b] = [rig.host(0), rig.host(1)]
    t.true(await eventually(async () => (await a.client.hosts.list()).length === 2))
    t.is((await (await a.client.apply([group('first')])).wait()).state, 'succeeded')
    b.signalAgent('SIGSTOP')
    const { id } = await a.client.apply([group('second')])
    const waiting = await a.client.tasks.get(id)
    t.true(waiting.state === 'queued' || waiting.state === 'running', waiting.state)
    await a.stopAgent('SIGKILL')
    b.signalAgent('SIGCONT')
    const ended = async () => (await b.client.tasks.get(id)).state === 'succeeded'
    t.true(await eventually(ended, 60_000))
  },
)

test.serial(
  'history compacted while an agent was cut off: it lists anew and holds what all hold',
  async (t) => {
    const rig = await fleet(t, { hosts: 2 })
    const [a, b] = [rig.host(0), rig.host(1)]
    await (await a.client.apply([group('web'), group('gone')])).wait()
    b.signalAgent('SIGSTOP')
    await rig.etcd?.kill(0)
    rig.etcd?.start(0)
    await rig.etcd?.ready()
    t.true(await eventually(async () => (await storeState(a)) === 'ok'))
    await a.client.securityGroups.delete('gone')
    await a.client.apply([group('late')])
    const access = rig.etcd?.access
    if (access === undefined) throw new Error('the rig has no etcd')
    const store = openEtcdStore({ ...access, prefix: '/purlin/test' })
    await store.compact((await store.list('/none')).revision + 1)
    await store.close()
    b.signalAgent('SIGCONT')
    const names = async (): Promise<string> =>
      (await b.client.securityGroups.list()).map(({ name }) => name).join()
    t.true(await eventually(async () => (await names()) === 'web,late'))
    await (await b.client.apply([group('more')])).wait({ deadlineMs: 30_000 })
    t.is((await a.client.securityGroups.list()).length, 3)
  },
)
