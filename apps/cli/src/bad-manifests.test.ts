import { checkManifest } from '@purlin/schema'
import test from 'ava'
import { type AgentAnswer, fixedAgent, problem, type Routes } from '../tests/agent.ts'
import { run } from '../tests/run.ts'
import { taskOf } from '../tests/samples.ts'

/** An agent that checks as the real one does and knows no name yet. */
const strictRoutes: Routes = {
  'POST /v1/apply': ({ body }) => checked(body, [202, taskOf()]),
  'POST /v1/plan': ({ body }) => checked(body, [200, { changes: [], unread: [], steps: [] }]),
}

function checked(body: string, good: AgentAnswer): AgentAnswer {
  const { problems } = checkManifest(JSON.parse(body).documents)
  return problems.length === 0 ? good : problem(422, 'PUR_INVALID', 'refused', { problems })
}

const group = (name: string, rule: string): string => `kind: SecurityGroup
name: ${name}
spec:
  inbound:
    - ${rule}
`
const manifests: Readonly<Record<string, string>> = {
  'an unknown kind': 'kind: Tree\nname: oak\nspec: {}\n',
  'a wrong field': 'kind: DistributedSwitch\nname: dvs0\nspec:\n  mtu: 1500\n  colour: red\n',
  'a missing field': 'kind: VirtualMachine\nname: a\nspec:\n  cpus: 1\n  image: probe\n',
  'a missing reference': `kind: PortGroup
name: prod
spec:
  vlan: 1
  switch: nowhere
---
${group('web', '{ family: ipv4, protocol: all, action: allow, source: { groups: [web, app] } }')}`,
  'a duplicate name': `${group('web', '{ family: ipv4, protocol: all, action: allow }')}---
${group('web', '{ family: ipv6, protocol: all, action: allow }')}`,
  'a cycle': `kind: Volume
name: a
spec:
  pool: p
  source: { snapshot: b, clone: linked }
---
kind: Snapshot
name: b
spec: { volume: a }
---
kind: StoragePool
name: p
spec: { redundancy: { replicas: 1 } }
`,
  'ports on a protocol without ports': group(
    'web',
    '{ family: ipv4, protocol: icmp, ports: ["80"], action: allow }',
  ),
  'a bad CIDR': group(
    'web',
    '{ family: ipv4, protocol: all, action: allow, source: { cidrs: ["10.0.0.0/33"] } }',
  ),
  'a YAML syntax error': 'kind: SecurityGroup\nname: [web\nspec: {}\n',
  'several problems at once': `kind: Tree
name: oak
---
kind: PortGroup
name: prod
spec: { switch: nowhere, vlan: 5000 }
---
kind: PortGroup
name: lab
spec: { switch: nowhere }
`,
  'no document': '# nothing\n',
}

for (const [what, text] of Object.entries(manifests)) {
  test(`${what}: each problem on its line, exit 4, nothing applied`, async (t) => {
    await using agent = await fixedAgent(strictRoutes)
    const ended = await run(['--socket', agent.socketPath, 'apply', '-'], { stdin: text })
    t.is(ended.exitCode, 4)
    t.is(ended.stdout, '')
    t.snapshot(ended.stderr.split('\n'))
    const plan = await run(['--socket', agent.socketPath, 'plan', '-f', '-'], { stdin: text })
    t.is(plan.exitCode, 4)
    t.is(plan.stderr, ended.stderr)
  })
}

test('without an agent the problems that are certain are told, and only those', async (t) => {
  const ended = await run(['--socket', '/nonexistent', 'apply', '-'], {
    stdin: manifests['several problems at once'] ?? '',
  })
  t.is(ended.exitCode, 4)
  t.snapshot(ended.stderr.split('\n'))
})

test('without an agent a manifest that is well in itself fails with exit 1', async (t) => {
  const ended = await run(['--socket', '/nonexistent', 'apply', '-'], {
    stdin: manifests['a missing reference'] ?? '',
  })
  t.is(ended.exitCode, 1)
  t.regex(ended.stderr, /\(PUR_AGENT_UNREACHABLE\)\n$/)
})

test('groups may name each other and themselves', async (t) => {
  await using agent = await fixedAgent(strictRoutes)
  const rule = (name: string): string =>
    `{ family: ipv4, protocol: all, action: allow, source: { groups: [${name}] } }`
  const text = `${group('a', rule('b'))}---\n${group('b', rule('a'))}---\n${group('c', rule('c'))}`
  const ended = await run(['--socket', agent.socketPath, 'apply', '-'], { stdin: text })
  t.is(ended.exitCode, 0)
})
