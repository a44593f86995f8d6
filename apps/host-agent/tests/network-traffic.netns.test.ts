import { fileURLToPath } from 'node:url'
import { PurlinError, run } from '@purlin/base'
import type { Traffic } from '@purlin/schema'
import test from 'ava'
import { type AgentLab, idleMachine, startAgentLab } from './agent-lab.ts'
import { eventually } from './lab-host.ts'
import type { TestAgent } from './start-agent.ts'

const BLAST = fileURLToPath(
  new URL('../../../libs/vswitch/tests/support/blast.ts', import.meta.url),
)
const OPTIONS = { timeoutMs: 20_000 }

let lab: AgentLab
let agent: TestAgent

const uplinks = (uplink: string) => ({
  kind: 'DistributedSwitch',
  name: 'dvs0',
  spec: { uplinks: [uplink], confirmSeconds: 60 },
})

test.before(async () => {
  lab = await startAgentLab()
  agent = lab.agent
  for (const uplink of ['up0', 'up1']) {
    const far = `${uplink}-far`
    await run('ip', ['link', 'add', uplink, 'type', 'veth', 'peer', 'name', far], OPTIONS)
    for (const end of [uplink, far]) await run('ip', ['link', 'set', end, 'up'], OPTIONS)
  }
  const qos = {
    outbound: { kbitPerSecond: 1_000, burstKbit: 100 },
    inbound: { kbitPerSecond: 500, burstKbit: 100 },
  }
  const subnets = [{ cidr: '10.77.0.0/24' }]
  await agent.client.apply([
    uplinks('up0'),
    { kind: 'PortGroup', name: 'prod', spec: { switch: 'dvs0', subnets, qos } },
    idleMachine('a', { portGroup: 'prod', addresses: ['10.77.0.5'] }),
    idleMachine('b', { portGroup: 'prod', addresses: ['10.77.0.6'] }),
  ])
})

test.after.always(async () => {
  await lab?.end()
})

test.serial(
  'the agent tells what ports, their port group and uplinks passed and dropped, a history, metrics',
  async (t) => {
    const a = await lab.machine('a')
    await lab.machine('b')
    await agent.client.network.traffic()
    await a.command(process.execPath, BLAST, '10.77.0.6', '1400', '8000', '1500')
    let items: readonly Traffic[] = []
    const of = (subject: Traffic['subject'], name: string): Traffic => {
      const found = items.find((one) => one.subject === subject && one.name === name)
      if (found === undefined) throw new Error(`${subject} ${name} is not counted`)
      return found
    }
    // Open vSwitch brings its statistics up to date every five seconds.
    await eventually(async () => {
      items = (await agent.client.network.traffic()).items
      return of('port', 'a.eth0').outbound.bytes > 500_000
    })
    const limited = (one: Traffic, direction: 'inbound' | 'outbound'): number =>
      one.dropped.find((drop) => drop.reason === 'rate-limit' && drop.direction === direction)
        ?.packets ?? 0
    const [sender, receiver, group] = [
      of('port', 'a.eth0'),
      of('port', 'b.eth0'),
      of('port-group', 'prod'),
    ]
    t.true(limited(sender, 'outbound') > 100)
    t.is(limited(sender, 'inbound'), 0)
    t.true(receiver.inbound.bytes > 0 && receiver.inbound.bytes < sender.outbound.bytes)
    t.is(group.outbound.bytes, sender.outbound.bytes + receiver.outbound.bytes)
    t.is(limited(group, 'outbound'), limited(sender, 'outbound'))
    t.is(limited(group, 'inbound'), limited(receiver, 'inbound'))
    t.is(of('uplink', 'up0').switch, 'dvs0')

    const { samples } = await agent.client.network.history('port', 'a.eth0')
    const [first, last] = [samples[0], samples.at(-1)]
    t.true(samples.length >= 2 && (last?.atMs ?? 0) > (first?.atMs ?? 0))
    t.true((last?.outboundBytes ?? 0) >= sender.outbound.bytes)
    t.true((last?.dropped ?? 0) >= limited(sender, 'outbound'))
    await t.throwsAsync(agent.client.network.history('nothing' as 'port', 'a.eth0'), {
      code: 'PUR_RESOURCE_MISSING',
    })

    const metrics = await agent.client.metrics()
    const figure = (name: string, labels: string): number =>
      Number(metrics.split(`purlin_network_${name}_total{${labels}} `)[1]?.split('\n')[0])
    const outbound = 'subject="port",name="a.eth0",direction="outbound"'
    t.true(figure('bytes', outbound) >= sender.outbound.bytes)
    t.true(figure('dropped', `${outbound},reason="rate-limit"`) > 100)
    t.is(figure('errors', 'subject="uplink",name="up0",direction="inbound"'), 0)
  },
)

test.serial('a change of uplinks holds once the caller confirms it, and only then', async (t) => {
  t.false(await agent.client.network.confirmUplinks('dvs0'), 'nothing waits')
  await agent.client.apply([uplinks('up1')])
  const ports = async (): Promise<string> =>
    (await run('ovs-vsctl', [`--db=unix:${lab.host.socket}`, 'list-ports', 'dvs0'], OPTIONS)).stdout
  await eventually(async () => (await ports()).includes('up1'))
  t.true(await agent.client.network.confirmUplinks('dvs0'))
  t.false(await agent.client.network.confirmUplinks('dvs0'), 'once')
  // The agent looks again before it says so.
  await eventually(async () => {
    const { status } = await agent.client.distributedSwitches.get('dvs0')
    return !JSON.stringify(status).includes('"trying"')
  })
  const missing = await t.throwsAsync(agent.client.network.confirmUplinks('dvs9'))
  t.is(missing instanceof PurlinError && missing.code, 'PUR_RESOURCE_MISSING')
})
