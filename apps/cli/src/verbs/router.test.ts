import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { fixedAgent } from '../../tests/agent.ts'
import { run } from '../../tests/run.ts'
import { routes, taskOf } from '../../tests/samples.ts'

const path = '/v1/routers/edge'
const spec = {
  portGroups: ['web', 'db'],
  routes: [{ to: '10.99.0.0/16', via: '10.2.0.9' }],
  external: {
    portGroup: 'public',
    nextHops: ['192.0.2.1'],
    hosts: [{ host: 'one', addresses: ['192.0.2.11'] }],
    snat: true,
  },
  portForwards: [
    { address: '192.0.2.80', protocol: 'tcp', ports: '80', to: 'web-1.eth0', toPort: 8080 },
  ],
  floatingAddresses: [{ address: '192.0.2.50', to: 'db-1.eth0' }],
}
const status = { observedGeneration: 1, conditions: [] }
const edge = {
  kind: 'Router',
  name: 'edge',
  spec,
  uid: 'u',
  generation: 1,
  revision: 7,
  createdAtMs: 0,
  status,
}

async function put(line: string) {
  await using agent = await fixedAgent({
    ...routes,
    [`GET ${path}`]: [200, edge],
    [`PUT ${path}`]: [202, taskOf()],
  })
  const ended = await run(['--socket', agent.socketPath, 'router', ...line.split(' ')])
  const sent = agent.seen.find(({ method }) => method === 'PUT')
  return {
    ...ended,
    revision: sent?.headers['if-match'],
    spec: sent === undefined ? undefined : JSON.parse(sent.body).spec,
  }
}

const changes = test.macro({
  title: (_given, line: string) =>
    `purlin router ${line} changes that alone, at the revision it saw`,
  exec: async (t, line: string, changed: object) => {
    const answer = await put(line)
    t.is(answer.exitCode, 0)
    t.deepEqual(answer.spec, { ...spec, ...changed })
    t.regex(String(answer.revision), /7/)
  },
})

test(changes, 'join edge lab', { portGroups: ['web', 'db', 'lab'] })
test(changes, 'leave edge db', { portGroups: ['web'] })
test(changes, 'float edge 192.0.2.51 web-1/eth0', {
  floatingAddresses: [...spec.floatingAddresses, { address: '192.0.2.51', to: 'web-1.eth0' }],
})
test(changes, 'unfloat edge 192.0.2.50', { floatingAddresses: [] })
test(changes, 'forward edge 192.0.2.80 53 web-1.eth0 --protocol udp', {
  portForwards: [
    ...spec.portForwards,
    { address: '192.0.2.80', protocol: 'udp', ports: '53', to: 'web-1.eth0' },
  ],
})
test(changes, 'unforward edge 192.0.2.80 80', { portForwards: [] })

test('what a router does not have is not taken away', async (t) => {
  const answer = await put('unfloat edge 192.0.2.99')
  t.is(answer.exitCode, 4)
  t.regex(answer.stderr, /the router has no floating address 192\.0\.2\.99/)
  t.is(answer.spec, undefined)
})

test('purlin router show prints what is joined and where it leads', async (t) => {
  const { stdout } = await put('show edge')
  t.snapshot(stdout)
})

test('explain packet crosses a router, by a manifest alone', async (t) => {
  await using agent = await fixedAgent({})
  const file = join(agent.folder, 'routed.yaml')
  const group = (name: string, vlan: number, cidr: string, gateway = '') =>
    `kind: PortGroup\nname: ${name}\nspec: { switch: dvs0, vlan: ${vlan}, subnets: [{ cidr: ${cidr}${gateway} }] }`
  const machine = (name: string, portGroup: string, address: string) =>
    `kind: VirtualMachine\nname: ${name}\nspec: { cpus: 1, memoryMiB: 128, image: probe, nics: [{ name: eth0, portGroup: ${portGroup}, addresses: ["${address}"] }] }`
  const documents = [
    'kind: DistributedSwitch\nname: dvs0\nspec: {}',
    group('web', 100, '10.1.0.0/24', ', gateway: 10.1.0.1'),
    group('db', 200, '10.2.0.0/24', ', gateway: 10.2.0.1'),
    group('public', 400, '192.0.2.0/24'),
    machine('web-1', 'web', '10.1.0.5'),
    machine('db-1', 'db', '10.2.0.5'),
    `kind: Router\nname: edge\nspec: ${JSON.stringify(spec)}`,
  ]
  await writeFile(file, documents.join('\n---\n'))
  const explain = async (from: string, to: string, port: string): Promise<string> => {
    const words = ['--from', from, '--to', to, '--proto', 'tcp', '--port', port]
    return (await run(['explain', 'packet', '-f', file, ...words])).stdout
  }
  t.snapshot(await explain('web-1', 'db-1', '80'))
  t.snapshot(await explain('198.51.100.7', '192.0.2.80', '80'))
  t.snapshot(await explain('198.51.100.7', '192.0.2.80', '81'))
})
