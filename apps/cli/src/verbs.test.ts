import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { fixedAgent, problem } from '../tests/agent.ts'
import { run } from '../tests/run.ts'
import { routes, samples, taskOf } from '../tests/samples.ts'
import { testLines } from '../tests/shown.ts'

testLines(routes, [
  'get vm',
  'get VirtualMachine web-1',
  'get port',
  'get pg',
  'get switch',
  'get sg',
  'get volumes',
  'describe vm web-1',
  'vm show web-1',
  'vm stop web-1',
  'vm reboot web-1 --grace 5',
  'vm reboot web-1 --grace -1',
  'vm pause web-1',
  'vm list --all',
  'vm agent interfaces web-1',
  'vm agent read web-1 /etc/hostname',
  'vm agent freeze web-1 --hold 5',
  'vm agent freeze web-1 --hold 90',
  'vm agent thaw web-1',
  'vm agent set-time web-1',
  'sg show web',
  'task list',
  'task show 01task',
  'task wait 01task',
  'events --no-follow',
  'explain packet --from 10.77.0.9 --to web-1 --proto tcp --port 80',
  'doctor',
  'alert list',
  'token list',
  'version',
])

test('json and yaml are the resource or the list exactly as the agent gave it', async (t) => {
  await using agent = await fixedAgent(routes)
  const socket = ['--socket', agent.socketPath]
  const list = await run([...socket, 'get', 'vm', '-o', 'json'])
  t.deepEqual(JSON.parse(list.stdout), samples.machines)
  const one = await run([...socket, '-o', 'yaml', 'describe', 'sg', 'web'])
  t.deepEqual(parse(one.stdout), samples.groups[0])
  t.true(agent.seen.every(({ path }) => !path.includes('ports') && !path.includes('events')))
})

test('events in JSON are one object a line', async (t) => {
  await using agent = await fixedAgent(routes)
  const { stdout } = await run([
    '--socket',
    agent.socketPath,
    'events',
    '--no-follow',
    '-o',
    'json',
  ])
  t.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).sequence),
    [4, 5, 6],
  )
})

test('colours stand on a terminal, and not with NO_COLOR', async (t) => {
  await using agent = await fixedAgent(routes)
  const args = ['--socket', agent.socketPath, 'get', 'vm']
  t.true((await run(args, { terminal: true })).stdout.includes('\u001b[32myes\u001b[0m'))
  const plain = await run(args, { terminal: true, environment: { NO_COLOR: '1' } })
  t.false(plain.stdout.includes('\u001b'))
})

test('a control character that came from elsewhere is shown, not obeyed', async (t) => {
  const [group] = samples.groups
  const evil = { ...group, name: 'web\u001b[2J' }
  await using agent = await fixedAgent({
    ...routes,
    'GET /v1/security-groups': [200, { items: [evil] }],
  })
  const { stdout } = await run(['--socket', agent.socketPath, 'get', 'sg'], { terminal: true })
  t.true(stdout.includes('web\\x1b[2J'))
})

test('vm exec hands on the output and the exit code of the command', async (t) => {
  await using agent = await fixedAgent(routes)
  const args = [
    '--socket',
    agent.socketPath,
    'vm',
    'exec',
    '-i',
    'web-1',
    '--',
    'sh',
    '-o',
    '-c',
    'x y',
  ]
  t.deepEqual(await run(args, { stdin: 'in' }), { exitCode: 7, stdout: 'out\n', stderr: 'err\n' })
  t.deepEqual(JSON.parse(agent.seen[0]?.body ?? ''), {
    command: ['sh', '-o', '-c', 'x y'],
    input: 'in',
    timeoutMs: 60_000,
  })
})

test('a new token is alone on standard output', async (t) => {
  await using agent = await fixedAgent(routes)
  const ended = await run([
    '--socket',
    agent.socketPath,
    'token',
    'create',
    'ci',
    '--role',
    'viewer',
  ])
  t.is(ended.stdout, 'purlin_secret\n')
  t.is(ended.stderr, 'token ci (viewer): it is not shown again\n')
  t.is((await run(['--socket', agent.socketPath, 'token', 'delete', 'ci'])).exitCode, 0)
})

test('the state goes to a file and comes back from it', async (t) => {
  await using agent = await fixedAgent(routes)
  const file = join(agent.folder, 'state.backup')
  t.is((await run(['--socket', agent.socketPath, 'state', 'backup', file])).stdout, `${file}\n`)
  t.is(await readFile(file, 'utf8'), 'the state')
  t.is((await run(['--socket', agent.socketPath, 'state', 'restore', file])).exitCode, 0)
  t.is(agent.seen[1]?.body, 'the state')
})

test('delete of a manifest begins at what names others and forgives what is gone', async (t) => {
  const removed = taskOf({ verb: 'delete' })
  await using agent = await fixedAgent({
    'DELETE /v1/virtual-machines/web-1': [202, removed],
    'DELETE /v1/security-groups/app': [202, removed],
    'DELETE /v1/port-groups/prod': [202, removed],
    'DELETE /v1/distributed-switches/dvs0': [202, removed],
  })
  const manifest = `kind: DistributedSwitch
name: dvs0
spec: {}
---
kind: PortGroup
name: prod
spec: { switch: dvs0 }
---
kind: SecurityGroup
name: web
spec: {}
---
kind: SecurityGroup
name: app
spec: { inbound: [{ family: ipv4, protocol: all, action: allow, source: { groups: [web] } }] }
---
kind: VirtualMachine
name: web-1
spec: { cpus: 1, memoryMiB: 128, image: probe }
`
  const ended = await run(['--socket', agent.socketPath, 'delete', '-f', '-'], { stdin: manifest })
  t.is(ended.exitCode, 0)
  t.deepEqual(
    agent.seen.map(({ path }) => path.replace('/v1/', '')),
    [
      'virtual-machines/web-1',
      'security-groups/app',
      'security-groups/web',
      'port-groups/prod',
      'distributed-switches/dvs0',
    ],
  )
  t.regex(ended.stderr, /SecurityGroup web: was not there\n/)
})

test('delete of one resource that is not there fails', async (t) => {
  await using agent = await fixedAgent({})
  const ended = await run(['--socket', agent.socketPath, 'delete', 'vm', 'web-9'])
  t.is(ended.exitCode, 1)
  t.is(
    ended.stderr,
    'purlin: nothing at DELETE /v1/virtual-machines/web-9 (PUR_RESOURCE_MISSING)\n',
  )
})

test('progress is a line written over on a terminal, lines elsewhere', async (t) => {
  const states = [
    taskOf({ state: 'running', progress: { done: 1, total: 2, text: 'netfilter is at work' } }),
    taskOf(),
  ]
  const agentOf = () => {
    let asked = 0
    return fixedAgent({ 'GET /v1/tasks/01task': () => [200, states[Math.min(1, asked++)]] })
  }
  await using first = await agentOf()
  const plain = await run(['--socket', first.socketPath, 'task', 'wait', '01task'])
  t.is(plain.stderr, 'apply: 1/2 netfilter is at work\napply: 2/2 done\n')
  await using second = await agentOf()
  const terminal = await run(['--socket', second.socketPath, 'task', 'wait', '01task'], {
    terminal: true,
  })
  const erase = '\r\u001b[K'
  t.is(terminal.stderr, `${erase}apply: 1/2 netfilter is at work${erase}apply: 2/2 done${erase}`)
})

test('doctor without an agent says so first and looks for itself', async (t) => {
  const { exitCode, stdout } = await run(['--socket', '/nonexistent', 'doctor', '-o', 'json'])
  const findings: { check: string; status: string; found: string }[] = JSON.parse(stdout)
  t.is(exitCode, 1)
  t.like(findings[0], { check: 'agent', status: 'problem' })
  t.true(findings.length > 1)
})

test('a token comes from a file and goes to the address alone', async (t) => {
  await using agent = await fixedAgent({})
  const file = join(agent.folder, 'token')
  await writeFile(file, 'purlin_secret\n')
  const { createServer } = await import('node:http')
  const seen: unknown[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    const [status, body] = problem(401, 'PUR_AUTH_REQUIRED', 'needs a token')
    response.writeHead(status).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const environment = { PURLIN_URL: url, PURLIN_TOKEN_FILE: file }
  t.is((await run(['alert', 'list'], { environment })).exitCode, 4)
  t.is((await run(['--url', url, 'alert', 'list'])).exitCode, 4)
  t.deepEqual(seen, ['Bearer purlin_secret', undefined])
  server.close()
})
