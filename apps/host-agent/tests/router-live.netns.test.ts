import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import type { Event, PacketExplanation } from '@purlin/schema'
import test from 'ava'
import { type AgentLab, idleMachine, startAgentLab } from './agent-lab.ts'
import { eventually } from './lab-host.ts'

const portGroup = (name: string, vlan: number, subnet: object) => ({
  kind: 'PortGroup',
  name,
  spec: { switch: 'dvs0', vlan, subnets: [subnet] },
})
const tcp = (port: string, source: object) => ({
  ...{ family: 'ipv4', protocol: 'tcp', ports: [port], action: 'allow' },
  source,
})
let lab: AgentLab

test.before(async () => {
  lab = await startAgentLab()
  await lab.agent.client.apply([
    { kind: 'DistributedSwitch', name: 'dvs0', spec: {} },
    portGroup('web', 100, { cidr: '10.1.0.0/24', gateway: '10.1.0.1' }),
    portGroup('db', 200, { cidr: '10.2.0.0/24', gateway: '10.2.0.1' }),
    portGroup('lone', 300, { cidr: '10.3.0.0/24', gateway: '10.3.0.1' }),
    portGroup('public', 400, { cidr: '192.0.2.0/24' }),
    {
      kind: 'Router',
      name: 'edge',
      spec: {
        portGroups: ['web', 'db'],
        external: {
          portGroup: 'public',
          nextHops: ['192.0.2.1'],
          hosts: [{ host: 'test', addresses: ['192.0.2.11'] }],
        },
        portForwards: [
          { address: '192.0.2.80', protocol: 'tcp', ports: '8080', to: 'web-1.eth0', toPort: 80 },
        ],
      },
    },
    {
      kind: 'SecurityGroup',
      name: 'web',
      spec: { inbound: [tcp('80', { cidrs: ['198.51.100.0/24'] })] },
    },
    { kind: 'SecurityGroup', name: 'db', spec: { inbound: [tcp('5432', { groups: ['web'] })] } },
    idleMachine('web-1', {
      ...{ portGroup: 'web', addresses: ['10.1.0.5'], securityGroups: ['web'] },
    }),
    idleMachine('db-1', {
      ...{ portGroup: 'db', addresses: ['10.2.0.5'], securityGroups: ['db'] },
    }),
    idleMachine('lone-1', { portGroup: 'lone', addresses: ['10.3.0.5'] }),
  ])
  await lab.machine('web-1', '10.1.0.1')
  await lab.machine('db-1', '10.2.0.1')
  await eventually(async () => {
    const { status } = await lab.agent.client.routers.get('edge')
    return status.conditions.some((one) => one.type === 'Ready' && one.status === 'true')
  })
})

test.after.always(async () => {
  await lab?.end()
})

async function ask(from: string, to: string, port: number): Promise<PacketExplanation> {
  const question = { from, to, protocol: 'tcp', destinationPort: port } as const
  return await lab.agent.client.explainPacketLive(question)
}

/** The network namespace that keeps a port group's gateway or a router. */
async function within(place: string, ...command: string[]): Promise<string> {
  const file = join(lab.agent.folder, 'network', place, 'holder.json')
  const { processId } = JSON.parse(await readFile(file, 'utf8'))
  const words = [`--net=/proc/${processId}/ns/net`, '--', ...command]
  return (await run('nsenter', words, { timeoutMs: 10_000 })).stdout
}

const crossed = ({ live }: PacketExplanation): readonly string[] =>
  live?.crossing?.traced === true
    ? live.crossing.hops.map(({ by, name, outcome, device }) =>
        [by, name, outcome, device].filter((word) => word !== undefined).join(' '),
      )
    : [JSON.stringify(live)]

test.serial('a packet crosses the gateways and the router, and every end is asked', async (t) => {
  const answer = await ask('web-1', 'db-1', 5432)
  t.is(answer.verdict, 'allow')
  t.is(answer.live?.outcome, 'agrees', JSON.stringify(answer.live))
  t.deepEqual(
    crossed(answer).map((one) => one.replace(/leg-\w+/, 'leg')),
    ['gateway web passed rt0', 'router edge passed leg', 'gateway db passed eth0'],
  )
  const denied = await ask('web-1', 'db-1', 22)
  t.is(denied.verdict, 'deny', 'by the list of db-1')
  t.is(denied.live?.outcome, 'agrees', JSON.stringify(denied))
  t.is(denied.live?.crossing?.traced === true && denied.live.crossing.verdict, 'allow')
})

test.serial('translations are seen as the kernel makes them, and leave nothing', async (t) => {
  const out = await ask('web-1', '203.0.113.9', 443)
  t.deepEqual(crossed(out), ['gateway web passed rt0', 'router edge passed ext0'])
  const hops = out.live?.crossing?.traced === true ? out.live.crossing.hops : []
  t.regex(hops[1]?.packet ?? '', /^192\.0\.2\.11 -> 203\.0\.113\.9 tcp \d+ -> 443$/)
  const forwarded = await ask('198.51.100.7', '192.0.2.80', 8080)
  t.is(forwarded.live?.outcome, 'agrees', JSON.stringify(forwarded.live))
  t.deepEqual(crossed(forwarded).at(-1), 'gateway web passed eth0')
  t.like(forwarded.ends[0]?.live, { verdict: 'allow', agrees: true })
  const tracked = await within('routers/edge', 'conntrack', '-L')
  t.false(tracked.includes('203.0.113.9'), tracked)
  t.false((await within('routers/edge', 'nft', 'list', 'tables')).includes('purlin-live'))
})

test.serial('the place and the rule of a drop are named', async (t) => {
  const closed = await ask('198.51.100.7', '192.0.2.80', 81)
  t.is(closed.verdict, 'deny')
  t.regex(JSON.stringify(closed.live?.crossing), /"outcome":"(?:dropped|taken)"/)
  const alone = await ask('lone-1', 'db-1', 80)
  t.deepEqual(crossed(alone), ['gateway lone lost'])
  t.is(alone.live?.crossing?.traced === true && alone.live.crossing.agrees, true)

  const table = ['inet', 'somebody']
  await within('routers/edge', 'nft', 'add', 'table', ...table)
  const chain = '{ type filter hook forward priority 5; }'
  await within('routers/edge', 'nft', 'add', 'chain', ...table, 'shut', chain)
  await within(
    'routers/edge',
    'nft',
    'add',
    'rule',
    ...table,
    'shut',
    'tcp',
    'dport',
    '5432',
    'drop',
  )
  const hidden = await ask('web-1', 'db-1', 5432)
  t.is(hidden.verdict, 'allow', 'the resources know nothing of it')
  t.is(hidden.live?.outcome, 'disagrees')
  const hops = hidden.live?.crossing?.traced === true ? hidden.live.crossing.hops : []
  t.like(hops[1], { by: 'router', name: 'edge', outcome: 'dropped' })
  t.is(hops[1]?.rule, 'table inet somebody, chain shut: tcp dport 5432 drop')
  t.is(hops[2]?.outcome, 'unseen')
  await within('routers/edge', 'nft', 'delete', 'table', ...table)
})

test.serial('what somebody takes away inside the namespaces is mended and told', async (t) => {
  const edge = ['routers/edge'] as const
  const web = ['port-groups/web'] as const
  const cases: readonly {
    readonly take: readonly [place: string, ...command: string[]]
    readonly look: readonly [place: string, ...command: string[]]
    readonly there: string
    readonly told: string
  }[] = [
    {
      take: [...edge, 'ip', 'route', 'del', '10.2.0.0/24'],
      look: [...edge, 'ip', 'route'],
      there: '10.2.0.0/24',
      told: 'in its namespace "ipv4 10.2.0.0/24',
    },
    {
      take: [...edge, 'ip', 'address', 'del', '192.0.2.11/24', 'dev', 'ext0'],
      look: [...edge, 'ip', 'address'],
      there: '192.0.2.11/24',
      told: '192.0.2.11/24',
    },
    {
      take: [...edge, 'nft', 'flush', 'chain', 'inet', 'purlin-router', 'pass'],
      look: [...edge, 'nft', 'list', 'chain', 'inet', 'purlin-router', 'pass'],
      there: 'ct status dnat accept',
      told: 'table inet purlin-router',
    },
    {
      take: [...edge, 'ip', 'rule', 'del', 'pref', '30000'],
      look: [...edge, 'ip', 'rule'],
      there: '30000:',
      told: '30000: from all',
    },
    {
      take: [...web, 'ip', 'route', 'del', 'default'],
      look: [...web, 'ip', 'route'],
      there: 'default via 169.254.0.1',
      told: 'in the gateway of web "ipv4 default',
    },
    {
      take: [...web, 'ip', 'address', 'del', '10.1.0.1/24', 'dev', 'eth0'],
      look: [...web, 'ip', 'route'],
      there: 'src 10.1.0.1',
      told: '10.1.0.1 is missing',
    },
    {
      take: ['port-groups/lone', 'ip', 'address', 'del', '10.3.0.1/24', 'dev', 'eth0'],
      look: ['port-groups/lone', 'ip', 'address'],
      there: '10.3.0.1/24',
      told: '10.3.0.1 is missing',
    },
    {
      take: [...edge, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'],
      look: [...edge, 'sysctl', 'net.ipv4.conf.all.forwarding', 'net.ipv4.conf.ext0.forwarding'],
      there: 'net.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.ext0.forwarding = 1',
      told: 'set net.ipv4.ip_forward=1 and',
    },
    {
      take: [...web, 'sysctl', '-q', '-w', 'net.ipv6.conf.eth0.forwarding=0'],
      look: [...web, 'sysctl', 'net.ipv6.conf.eth0.forwarding'],
      there: 'forwarding = 1',
      told: 'set net.ipv6.conf.eth0.forwarding=1 again inside the gateway of port group web',
    },
    {
      take: ['port-groups/lone', 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1'],
      look: ['port-groups/lone', 'sysctl', 'net.ipv4.ip_forward'],
      there: 'ip_forward = 0',
      told: 'set net.ipv4.ip_forward=0 again inside the gateway of port group lone',
    },
    {
      // Of redirects the kernel tells nobody: they are seen with the next change that it tells of.
      take: [
        ...edge,
        ...['sh', '-c'],
        'sysctl -q -w net.ipv4.conf.all.send_redirects=1; ip route del 10.2.0.0/24',
      ],
      look: [...edge, 'sysctl', 'net.ipv4.conf.all.send_redirects'],
      there: 'send_redirects = 0',
      told: 'set net.ipv4.conf.all.send_redirects=0 again inside router edge',
    },
  ]
  for (const { take, look, there, told } of cases) {
    // What is taken away while the last one is still mended would be one drift with it.
    await eventually(async () => (await driftEvents()).at(-1)?.type !== 'drift.seen')
    const before = (await driftEvents()).length
    const atMs = performance.now()
    await within(...take)
    await eventually(async () => {
      const since = (await driftEvents()).slice(before)
      const isTold = since.some(({ message }) => message.includes(told))
      return isTold && (await within(...look)).includes(there)
    })
    t.log(`${take.join(' ')}: mended and told after ${Math.round(performance.now() - atMs)} ms`)
  }
  t.is((await ask('web-1', 'db-1', 5432)).live?.outcome, 'agrees')
})

async function driftEvents(): Promise<readonly Event[]> {
  const found: Event[] = []
  for await (const event of lab.agent.client.events({ after: 0, follow: false })) {
    if (event.type.startsWith('drift')) found.push(event)
  }
  return found
}
