import { errorCatalogue, httpStatusOfKind } from '@purlin/base'
import test from 'ava'
import { fixedAgent, problem } from '../tests/agent.ts'
import { run } from '../tests/run.ts'
import { routes, taskOf } from '../tests/samples.ts'

const manifest = 'kind: DistributedSwitch\nname: dvs0\nspec: {}\n'

for (const [kind, exitCode] of [
  ['invalid', 4],
  ['state', 4],
  ['revision', 4],
  ['capacity', 4],
  ['unauthenticated', 4],
  ['forbidden', 4],
  ['missing', 1],
  ['timeout', 1],
  ['failed', 1],
] as const) {
  const [code] = Object.entries(errorCatalogue).find(([, entry]) => entry.kind === kind) ?? ['']
  test(`an answer of kind ${kind} ends with ${exitCode}`, async (t) => {
    await using agent = await fixedAgent({
      'POST /v1/apply': problem(httpStatusOfKind[kind], code, 'so it is'),
    })
    const ended = await run(['--socket', agent.socketPath, 'apply', '-'], { stdin: manifest })
    t.deepEqual(ended, { exitCode, stdout: '', stderr: `purlin: so it is (${code})\n` })
  })
}

for (const args of [
  ['paint'],
  ['get'],
  ['get', 'tree'],
  ['get', 'vm', '-o', 'xml'],
  ['apply'],
  ['apply', 'a.yaml', '-f', 'b.yaml'],
  ['delete', 'vm'],
  ['delete', 'vm', 'web-1', '-f', 'a.yaml'],
  ['delete', 'port', 'web-1.eth0'],
  ['events', '--after', '-1'],
  ['explain', 'packet', '--from', 'a'],
  ['sg', 'rule', 'insert', 'web'],
  ['sg', 'rule', 'add', 'web', '--icmp-code', '1'],
  ['vm', 'exec', 'web-1'],
  ['vm', 'exec', 'web-1', '--timeout', '601', '--', 'true'],
  ['--socket', '/a', '--url', 'http://b', 'alert', 'list'],
  ['--url', 'nowhere', 'alert', 'list'],
]) {
  test(`purlin ${args.join(' ')} is a wrong usage: exit 2 and a sentence`, async (t) => {
    const { exitCode, stdout, stderr } = await run(args)
    t.is(exitCode, 2)
    t.is(stdout, '')
    t.snapshot(stderr)
  })
}

test('help is a result', async (t) => {
  const { exitCode, stdout, stderr } = await run(['--help'])
  t.is(exitCode, 0)
  t.is(stderr, '')
  t.snapshot(stdout)
})

test('an agent that does not answer is exit 1', async (t) => {
  const ended = await run(['--socket', '/nonexistent', 'apply', '-'], { stdin: manifest })
  t.deepEqual(ended, {
    exitCode: 1,
    stdout: '',
    stderr:
      'purlin: POST /v1/apply: no agent answers at /nonexistent: there is no such socket; see that purlin-host-agent runs (PUR_AGENT_UNREACHABLE)\n',
  })
})

test('a plan without a difference ends with 0, one with a difference with 3, one that could not look with 1', async (t) => {
  const plans = {
    empty: { changes: [], unread: [], steps: [] },
    blind: { changes: [], unread: [{ lane: 'virt', reason: 'libvirtd is hung' }], steps: [] },
    full: {
      unread: [],
      changes: [
        { action: 'create', kind: 'SecurityGroup', name: 'web', fields: [] },
        {
          action: 'update',
          kind: 'PortGroup',
          name: 'prod',
          fields: [
            { path: 'spec.vlan', before: 100, after: 200 },
            { path: 'spec.dns', before: undefined, after: { domain: 'a.example' } },
          ],
        },
        { action: 'delete', kind: 'VirtualMachine', name: 'db-1', fields: [] },
      ],
      steps: [
        { lane: 'vswitch', summary: 'tag web-1.eth0 with VLAN 200' },
        { lane: 'virt', summary: 'undefine db-1' },
      ],
    },
  }
  await using same = await fixedAgent({ 'POST /v1/plan': [200, plans.empty] })
  const empty = await run(['--socket', same.socketPath, 'plan'])
  t.deepEqual(empty, { exitCode: 0, stdout: 'nothing differs\n', stderr: '' })
  await using half = await fixedAgent({ 'POST /v1/plan': [200, plans.blind] })
  const blind = await run(['--socket', half.socketPath, 'plan'])
  t.is(blind.exitCode, 1)
  t.regex(blind.stdout, /virt could not be looked at: libvirtd is hung/)
  await using other = await fixedAgent({ 'POST /v1/plan': [200, plans.full] })
  const full = await run(['--socket', other.socketPath, 'plan', '-'], { stdin: manifest })
  t.is(full.exitCode, 3)
  t.snapshot(full.stdout)
})

test('a task that fails is exit 1, whatever its code: it may have changed something', async (t) => {
  const failed = taskOf({
    state: 'failed',
    problem: { code: 'PUR_IMAGE_MISSING', detail: 'no image probe' },
  })
  await using agent = await fixedAgent({ 'POST /v1/apply': [202, failed] })
  const ended = await run(['--socket', agent.socketPath, 'apply', '-'], { stdin: manifest })
  t.is(ended.exitCode, 1)
  t.regex(ended.stderr, /purlin: no image probe \(PUR_IMAGE_MISSING\)\n$/)
})

test('--no-wait prints the task as it is', async (t) => {
  const running = taskOf({ state: 'running' })
  await using agent = await fixedAgent({ 'POST /v1/apply': [202, running] })
  const args = ['--socket', agent.socketPath, 'apply', '--no-wait', '-f', '-', '-o', 'json']
  const ended = await run(args, { stdin: manifest })
  t.deepEqual(ended, {
    exitCode: 0,
    stdout: `${JSON.stringify(running, null, 2)}\n`,
    stderr: '',
  })
  t.is(agent.seen.length, 1)
})

test('--timeout gives up waiting with exit 1; the task is left alone', async (t) => {
  await using agent = await fixedAgent({
    'GET /v1/tasks/01task': () => [200, taskOf({ state: 'running' })],
  })
  const ended = await run([
    '--socket',
    agent.socketPath,
    'task',
    'wait',
    '01task',
    '--timeout',
    '0.1',
  ])
  t.is(ended.exitCode, 1)
  t.regex(ended.stderr, /no answer within 100 ms \(PUR_DEADLINE_PASSED\)\n$/)
  t.true(agent.seen.every(({ method }) => method === 'GET'))
})

test('an interrupt while waiting says how to wait on', async (t) => {
  const interrupt = new AbortController()
  await using agent = await fixedAgent({
    'GET /v1/tasks/01task': ({ query }) => {
      if (query.has('waitMs')) interrupt.abort()
      return [200, taskOf({ state: 'running' })]
    },
  })
  const args = ['--socket', agent.socketPath, 'task', 'wait', '01task']
  const ended = await run(args, { signal: interrupt.signal })
  t.is(ended.exitCode, 130)
  t.regex(ended.stderr, /task 01task goes on: purlin task wait 01task\n$/)
})

test('a file that is not there is exit 1', async (t) => {
  await using agent = await fixedAgent(routes)
  const ended = await run(['--socket', agent.socketPath, 'apply', '/nonexistent.yaml'])
  t.is(ended.exitCode, 1)
  t.regex(ended.stderr, /^purlin: \/nonexistent\.yaml: cannot be read: ENOENT/)
})

test('an interrupt ends a call under way with 130', async (t) => {
  const interrupt = new AbortController()
  await using agent = await fixedAgent({
    'GET /v1/tasks/01task': () => {
      interrupt.abort()
      return [200, taskOf()]
    },
  })
  const args = ['--socket', agent.socketPath, 'task', 'show', '01task']
  const ended = await run(args, { signal: interrupt.signal })
  t.is(ended.exitCode, 130)
  t.is(ended.stdout, '')
})
