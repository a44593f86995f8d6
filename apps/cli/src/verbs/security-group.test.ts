import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ImportPlan, operations } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, problem, type Routes } from '../../tests/agent.ts'
import { run } from '../../tests/run.ts'
import { routes, samples, taskOf } from '../../tests/samples.ts'

const group = '/v1/security-groups/web'
const nic = '/v1/virtual-machines/web-1/nics/eth0/security-groups'
const rule = (part: string): string => `${group}/rules/${part}`

/** What the command sent, beside its look-ups. */
async function sent(line: string, stdin?: string) {
  const done: Routes[string] = [202, taskOf()]
  await using agent = await fixedAgent({
    ...routes,
    [`POST ${group}/rules`]: done,
    [`PATCH ${group}`]: done,
    [`DELETE ${group}`]: done,
    'PUT /v1/security-groups/new': done,
    [`PATCH ${rule('r-1')}`]: done,
    [`PATCH ${rule('outbound%3A2')}`]: done,
    [`DELETE ${rule('r-1')}`]: done,
    [`POST ${rule('r-1')}/move`]: done,
    [`POST ${group}/rules/import`]: done,
    [`POST ${nic}`]: done,
    [`PUT ${nic}`]: done,
    [`DELETE ${nic}/ops`]: done,
  })
  const ended = await run(['--socket', agent.socketPath, ...line.split(' ')], {
    ...(stdin !== undefined && { stdin }),
  })
  const changes = agent.seen
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path, body, headers }) => [
      `${method} ${decodeURIComponent(path)}`,
      ...(body === '' ? [] : [JSON.parse(body)]),
      ...(headers['if-match'] === undefined ? [] : [`if-match ${headers['if-match']}`]),
    ])
  return { ...ended, changes }
}

const calls = test.macro({
  title: (_given, line: string, ..._expected: unknown[]) => `purlin ${line} is one call`,
  exec: async (t, line: string, ...expected: unknown[]) => {
    const { exitCode, stderr, changes } = await sent(line)
    t.deepEqual({ exitCode, stderr, changes }, { exitCode: 0, stderr: '', changes: [expected] })
  },
})

const plain = { family: 'ipv4', protocol: 'all', action: 'allow' }

test(calls, 'sg rule add web --direction outbound --peer self --no-wait', `POST ${group}/rules`, {
  direction: 'outbound',
  rules: [{ ...plain, destination: { self: true } }],
})
test(
  calls,
  'sg rule insert web --at 1 --proto tcp --ports 22,8000-8010 --action deny --log on --id ssh --disabled --peer 10.0.0.0/8,10.1.0.1-10.1.0.9,192.0.2.7,group:ops,self --if-revision 17 --no-wait',
  `POST ${group}/rules`,
  {
    direction: 'inbound',
    rules: [
      {
        id: 'ssh',
        family: 'ipv4',
        protocol: 'tcp',
        ports: ['22', '8000-8010'],
        source: {
          cidrs: ['10.0.0.0/8'],
          ranges: ['10.1.0.1-10.1.0.9'],
          addresses: ['192.0.2.7'],
          groups: ['ops'],
          self: true,
        },
        action: 'deny',
        enabled: false,
        log: true,
      },
    ],
    priority: 1,
  },
  'if-match 17',
)
test(
  calls,
  'sg rule modify web r-1 --ports any --proto icmp --icmp-type 8 --peer any --no-wait',
  `PATCH ${rule('r-1')}`,
  { protocol: 'icmp', ports: null, icmp: { type: 8 }, source: null },
)
test(calls, 'sg rule move web r-1 --to 0 --no-wait', `POST ${rule('r-1')}/move`, { priority: 0 })
test(calls, 'sg rule delete web r-1 --no-wait', `DELETE ${rule('r-1')}`)
test(calls, 'sg rule enable web r-1 --no-wait', `PATCH ${rule('r-1')}`, { enabled: true })
test(
  calls,
  'sg rule disable web --at 2 --direction outbound --no-wait',
  `PATCH ${rule('outbound:2')}`,
  { enabled: false },
)
test(
  calls,
  'sg create new --members off --no-wait',
  'PUT /v1/security-groups/new',
  {
    kind: 'SecurityGroup',
    name: 'new',
    spec: { allowWithinGroup: false },
  },
  'if-match 0',
)
test(calls, 'sg modify web --members on --keep-established off --no-wait', `PATCH ${group}`, {
  allowWithinGroup: true,
  keepEstablished: false,
})
test(calls, 'sg delete web --if-revision 17 --no-wait', `DELETE ${group}`, 'if-match 17')
test(calls, 'sg attach ops web-1/eth0 --at 0 --no-wait', `POST ${nic}`, {
  group: 'ops',
  priority: 0,
})
test(calls, 'sg attach ops web-1 --no-wait', `POST ${nic}`, { group: 'ops' })
test(calls, 'sg detach ops web-1.eth0 --no-wait', `DELETE ${nic}/ops`)
test(calls, 'sg reorder web-1 web,ops --no-wait', `PUT ${nic}`, { groups: ['web', 'ops'] })

test('a rule is named once: by its id or by its priority', async (t) => {
  for (const line of ['sg rule delete web', 'sg rule delete web r-1 --at 0']) {
    const { exitCode, stderr, changes } = await sent(line)
    t.is(exitCode, 2)
    t.regex(stderr, /name the rule by its id, or by --at PRIORITY/)
    t.deepEqual(changes, [])
  }
})

test('a group that is there is not made again', async (t) => {
  await using agent = await fixedAgent({
    'PUT /v1/security-groups/web': problem(412, 'PUR_RESOURCE_REVISION', 'is at revision 17'),
  })
  const ended = await run(['--socket', agent.socketPath, 'sg', 'create', 'web'])
  t.is(ended.exitCode, 4)
  t.is(ended.stderr, 'purlin: there is a SecurityGroup web already; sg modify changes it\n')
})

test('a rule that does not fit the schema is refused before it is sent', async (t) => {
  const { exitCode, stderr, changes } = await sent('sg rule add web --ports 80')
  t.is(exitCode, 4)
  t.regex(stderr, /rules\[0\]\.ports protocol all has no ports/)
  t.deepEqual(changes, [])
})

test('what the agent refuses has its code and exit code', async (t) => {
  await using agent = await fixedAgent({
    [`POST ${group}/rules`]: problem(422, 'PUR_SG_PRIORITY_GAP', 'priority: must be 0 to 2'),
  })
  const args = ['sg', 'rule', 'insert', 'web', '--at', '9']
  const ended = await run(['--socket', agent.socketPath, ...args])
  t.is(ended.exitCode, 4)
  t.is(ended.stderr, 'purlin: priority: must be 0 to 2 (PUR_SG_PRIORITY_GAP)\n')
})

test('an export goes to standard output or to a file, in the form asked for', async (t) => {
  const asked: (string | null)[] = []
  await using agent = await fixedAgent({
    [`GET ${group}/rules/export`]: ({ query }) => {
      asked.push(query.get('format'))
      return [200, 'the rules\n']
    },
  })
  const sg = ['--socket', agent.socketPath, 'sg', 'export', 'web']
  t.is((await run([...sg, '--format', 'csv'])).stdout, 'the rules\n')
  await run([...sg, '-o', 'yaml'])
  const file = join(agent.folder, 'rules.json')
  const ended = await run([...sg, '--file', file])
  t.deepEqual([ended.stdout, await readFile(file, 'utf8')], ['', 'the rules\n'])
  t.deepEqual(asked, ['csv', 'yaml', 'json'])
})

test('an import sends the file with what was asked for', async (t) => {
  const line =
    'sg import web - --format openstack --replace --map 7d3c=self --map a=b=app --from g --no-wait'
  const { exitCode, changes } = await sent(line, '[]')
  t.is(exitCode, 0)
  t.deepEqual(changes, [
    [
      `POST ${group}/rules/import`,
      {
        text: '[]',
        fileName: 'stdin',
        format: 'openstack',
        replace: true,
        groups: { '7d3c': 'self', 'a=b': 'app' },
        from: 'g',
      },
    ],
  ])
})

test('what is wrong with a file of rules is a line each, with its place', async (t) => {
  const problems = [
    { line: 3, path: 'inbound[0].ports[0]', message: 'must be a port' },
    { line: 9, path: '', message: 'never matches' },
  ]
  await using agent = await fixedAgent({
    [`POST ${group}/rules/import`]: problem(422, 'PUR_INVALID', 'refused', { problems }),
  })
  const file = join(agent.folder, 'rules.yaml')
  await writeFile(file, 'inbound: []\n')
  const ended = await run(['--socket', agent.socketPath, 'sg', 'import', 'web', file])
  t.is(ended.exitCode, 4)
  t.is(
    ended.stderr,
    `${file}:3: inbound[0].ports[0]: must be a port\n${file}:9: file: never matches\npurlin: 2 problems; nothing was applied (PUR_INVALID)\n`,
  )
})

test('a dry run shows both lists as they would be, and what is redundant', async (t) => {
  const plan: ImportPlan = operations.planImport.answer.parse({
    format: 'csv',
    add: { inbound: 1, outbound: 0 },
    remove: { inbound: 2, outbound: 0 },
    allowWithinGroup: true,
    notes: [{ line: 4, path: 'inbound[1]', message: 'duplicate: the same rule as line 3' }],
    inbound: samples.groups[0]?.spec.inbound,
    outbound: [],
  })
  await using agent = await fixedAgent({ [`POST ${group}/rules/import/plan`]: [200, plan] })
  const args = ['sg', 'import', 'web', '-', '--dry-run']
  const options = { stdin: 'direction\n' }
  const table = await run(['--socket', agent.socketPath, ...args], options)
  t.is(table.stderr, 'stdin:4: inbound[1]: duplicate: the same rule as line 3\n')
  t.snapshot(table.stdout)
  const json = await run(['--socket', agent.socketPath, ...args, '-o', 'json'], options)
  t.deepEqual(JSON.parse(json.stdout), plan)
})

test('sg members lists NICs with their addresses', async (t) => {
  await using agent = await fixedAgent(routes)
  const { stdout } = await run(['--socket', agent.socketPath, 'sg', 'members', 'web'])
  t.is(stdout, 'NIC         IPV4        IPV6\nweb-1/eth0  10.77.0.50  fd77::50\n')
})

const plan = operations.planPolicy.answer.parse({
  newlyAllowed: [
    {
      nics: ['web-1/eth0', 'web-2/eth0'],
      direction: 'inbound',
      family: 'ipv4',
      protocols: ['tcp'],
      destinationPorts: ['79', '81-82'],
      peer: { addresses: ['10.1.0.0-10.1.255.255'], groups: ['app'] },
      before: 'default',
      after: 'web/inbound/1',
    },
  ],
  newlyDenied: [
    {
      nics: ['web-1/eth0'],
      direction: 'outbound',
      family: 'ipv6',
      protocols: ['icmp'],
      icmp: ['128'],
      before: 'default',
      after: 'web/outbound/0',
    },
  ],
  complete: false,
  connectionsToEnd: [
    {
      nic: 'web-1/eth0',
      family: 'ipv6',
      protocol: 'tcp',
      source: 'fd77::50',
      sourcePort: 40_000,
      destination: 'fd77::1',
      destinationPort: 443,
    },
  ],
})

test('sg plan shows what is newly allowed, newly denied and cut; exit code 3', async (t) => {
  await using agent = await fixedAgent({ 'POST /v1/enforcement/plan': [200, plan] })
  const socket = ['--socket', agent.socketPath, 'sg', 'plan']
  const stdin = 'kind: SecurityGroup\nname: web\nspec: {}\n'
  const manifest = await run([...socket, '-f', '-'], { stdin })
  t.is(manifest.exitCode, 3)
  t.snapshot(manifest.stdout)
  const file = await run([...socket, 'web', '-', '--replace', '-o', 'json'], { stdin: 'a,b\n' })
  t.deepEqual(JSON.parse(file.stdout), plan)
  t.deepEqual(
    agent.seen.map(({ body }) => JSON.parse(body)),
    [
      { documents: [{ kind: 'SecurityGroup', name: 'web', spec: {} }] },
      { import: { text: 'a,b\n', fileName: 'stdin', replace: true, group: 'web' } },
    ],
  )
})

test('sg plan of what changes nothing ends with 0', async (t) => {
  const nothing = { newlyAllowed: [], newlyDenied: [], complete: true, connectionsToEnd: [] }
  await using agent = await fixedAgent({ 'POST /v1/enforcement/plan': [200, nothing] })
  const args = ['sg', 'plan', '-f', '-']
  const stdin = 'kind: SecurityGroup\nname: web\nspec: {}\n'
  const ended = await run(['--socket', agent.socketPath, ...args], { stdin })
  t.is(ended.exitCode, 0)
  t.is(ended.stdout, 'nothing is newly allowed or denied, and no connection ends\n')
  t.is((await run(['--socket', agent.socketPath, 'sg', 'plan'])).exitCode, 2)
})

test('sg hits lists what each rule has decided', async (t) => {
  const items = [
    { direction: 'inbound', type: 'members', group: 'web', packets: 3, bytes: 180 },
    {
      direction: 'inbound',
      type: 'rule',
      group: 'web',
      priority: 0,
      id: 'a',
      packets: 0,
      bytes: 0,
    },
    { direction: 'inbound', type: 'default', packets: 9, bytes: 540 },
  ]
  await using agent = await fixedAgent({ 'GET /v1/enforcement/hits': [200, { items }] })
  const args = ['--socket', agent.socketPath, 'sg', 'hits', 'web']
  t.snapshot((await run(args)).stdout)
  t.is(agent.seen[0]?.query.get('group'), 'web')
  t.deepEqual(JSON.parse((await run([...args, '-o', 'json'])).stdout), items)
})

test('sg verify says equal, or shows a packet that is decided otherwise; exit code 3', async (t) => {
  const witness = {
    family: 'ipv4',
    protocol: 'tcp',
    source: '192.0.2.1',
    sourcePort: 40_000,
    destination: '10.77.0.50',
    destinationPort: 22,
    state: 'new',
    meant: 'deny',
    meantBy: 'default',
    loaded: 'allow',
    loadedBy: 'web/inbound/0',
  }
  const where = 'inbound list of web-1.eth0'
  const finding = { where, what: 'decides otherwise', nic: 'web-1/eth0', witness }
  const answers = [
    { equal: true, findings: [], nics: 2, spaces: 8 },
    {
      equal: false,
      findings: [finding, { where: 'chain x', what: 'is gone' }],
      nics: 2,
      spaces: 8,
    },
  ]
  for (const answer of answers) {
    const proof = operations.verifyRules.answer.parse(answer)
    await using agent = await fixedAgent({ 'POST /v1/enforcement/verify': [200, proof] })
    const args = ['--socket', agent.socketPath, 'sg', 'verify']
    const ended = await run(args)
    t.is(ended.exitCode, proof.equal ? 0 : 3)
    t.snapshot(ended.stdout)
    t.deepEqual(JSON.parse((await run([...args, '-o', 'json'])).stdout), proof)
  }
})
