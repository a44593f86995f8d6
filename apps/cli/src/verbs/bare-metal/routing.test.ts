import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type FixedAgent, fixedAgent, type Routes } from '../../../tests/agent.ts'
import { metalRoutes, metalTask } from '../../../tests/bare-metal-samples.ts'
import { NOW_MS, type RunOptions, run } from '../../../tests/run.ts'

const MANIFEST = `kind: Secret
name: bmc-1
spec: { username: admin, passwordFile: ./bmc-1.password }
---
kind: InstallMedia
name: debian-13
spec: { family: debian, version: "13", iso: ./media/debian-13.iso }
`
const PORT_GROUP = `---
kind: PortGroup
name: prod
spec: { switch: dvs0, vlan: 20 }
`
const MACHINE = `---
kind: SecurityGroup
name: web
spec: {}
`

function routed(agent: FixedAgent, options: RunOptions = {}): RunOptions {
  return { environment: { PURLIN_BAREMETAL_SOCKET: agent.socketPath }, ...options }
}

async function manifestIn(
  agent: FixedAgent,
  text: string,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const file = join(agent.folder, 'metal.yaml')
  await writeFile(file, text)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(agent.folder, path, '..'), { recursive: true })
    await writeFile(join(agent.folder, path), content)
  }
  return file
}

const FILES = { 'bmc-1.password': 'secret', 'media/debian-13.iso': 'bytes' }

test('apply sends documents of bare metal to their daemon, with their files, then the ISO', async (t) => {
  await using agent = await fixedAgent(metalRoutes)
  const file = await manifestIn(agent, MANIFEST + PORT_GROUP, FILES)
  const ended = await run(['apply', '-f', file], routed(agent))
  t.is(ended.exitCode, 0, ended.stderr)
  const applied = agent.seen.find(({ path }) => path === '/v1/apply')
  const body = JSON.parse(applied?.body ?? '{}')
  t.deepEqual(body.files, { './bmc-1.password': 'secret' })
  t.deepEqual(
    body.documents.map(({ kind }: { kind: string }) => kind),
    ['Secret', 'InstallMedia', 'PortGroup'],
  )
  const sent = agent.seen.find(({ method }) => method === 'PUT')
  t.is(sent?.path, '/v1/install-media/debian-13/content')
  t.is(sent?.body, 'bytes')
  t.deepEqual(Object.fromEntries(sent?.query ?? []), { offset: '0', sizeBytes: '5' })
  t.regex(ended.stderr, /InstallMedia debian-13: 100 %/)
})

test('apply --no-upload leaves the ISO out', async (t) => {
  await using agent = await fixedAgent(metalRoutes)
  const file = await manifestIn(agent, MANIFEST, { 'bmc-1.password': 'secret' })
  const ended = await run(['bm', 'apply', '--no-upload', '-f', file], routed(agent))
  t.is(ended.exitCode, 0, ended.stderr)
  t.false(agent.seen.some(({ method }) => method === 'PUT'))
})

test('files that are not there are told with their lines, and nothing is applied', async (t) => {
  await using agent = await fixedAgent(metalRoutes)
  const file = await manifestIn(agent, MANIFEST)
  const ended = await run(['apply', '-f', file], routed(agent))
  t.is(ended.exitCode, 4)
  t.regex(ended.stderr, /metal.yaml:3: spec.passwordFile: .\/bmc-1.password: there is no such file/)
  await writeFile(join(agent.folder, 'bmc-1.password'), 'secret')
  const again = await run(['apply', '-f', file], routed(agent))
  t.is(again.exitCode, 4)
  t.regex(again.stderr, /metal.yaml:7: spec.iso: .*debian-13.iso: there is no such file; bring it/)
  t.false(agent.seen.some(({ path }) => path === '/v1/apply'))
})

test('a manifest of both daemons is refused with one sentence, and nothing is asked', async (t) => {
  await using agent = await fixedAgent(metalRoutes)
  const file = await manifestIn(agent, MANIFEST + MACHINE, FILES)
  for (const verb of ['apply', 'plan', 'delete']) {
    const ended = await run([verb, '-f', file], routed(agent))
    t.is(ended.exitCode, 4, verb)
    t.is(
      ended.stderr,
      'purlin: SecurityGroup is of the host agent, Secret of purlin-baremetal-pxe; a manifest is applied all or nothing by one of them: cut it into two files\n',
    )
  }
  const foreign = await run(['bm', 'apply', '-'], routed(agent, { stdin: MACHINE }))
  t.is(foreign.exitCode, 4)
  t.regex(foreign.stderr, /SecurityGroup is of the host agent: purlin apply/)
  t.deepEqual(agent.seen, [])
})

test('port groups alone are the host agent’s, below bm the other daemon’s', async (t) => {
  await using host = await fixedAgent(metalRoutes)
  await using metal = await fixedAgent(metalRoutes)
  const options = {
    stdin: PORT_GROUP,
    environment: { PURLIN_SOCKET: host.socketPath, PURLIN_BAREMETAL_SOCKET: metal.socketPath },
  }
  await run(['apply', '-'], options)
  t.deepEqual([host.seen.length > 0, metal.seen.length], [true, 0])
  const before = host.seen.length
  await run(['bm', 'apply', '-'], options)
  t.deepEqual([host.seen.length, metal.seen.length > 0], [before, true])
})

test('upload shows how far it is, and sends nothing that is there', async (t) => {
  const sha256 = '277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9'
  const there: Routes = {
    ...metalRoutes,
    'GET /v1/install-media/debian-13': [
      200,
      {
        status: {
          conditions: [],
          content: { state: 'ready', bytes: 5, sizeBytes: 5, sha256, sinceMs: NOW_MS },
        },
      },
    ],
  }
  for (const [routes, puts] of [
    [metalRoutes, 1],
    [there, 0],
  ] as const) {
    await using agent = await fixedAgent(routes)
    const file = join(agent.folder, 'x.iso')
    await writeFile(file, 'bytes')
    const ended = await run(['bm', 'media', 'upload', 'debian-13', file], routed(agent))
    t.is(ended.exitCode, 0, ended.stderr)
    t.regex(ended.stdout, puts === 1 ? /^debian-13: extracting/ : /^debian-13: ready, 5 bytes/)
    t.is(agent.seen.filter(({ method }) => method === 'PUT').length, puts)
  }
})

test('while a task runs a terminal has one line of the life, and it is gone afterwards', async (t) => {
  let asked = 0
  await using agent = await fixedAgent({
    ...metalRoutes,
    'POST /v1/chassis/rack1-u07/discover': [202, metalTask({ state: 'running' })],
    'GET /v1/tasks/01task': () => {
      asked += 1
      return [200, metalTask({ state: asked < 20 ? 'running' : 'succeeded' })]
    },
  })
  const args = ['bm', 'chassis', 'discover', 'rack1-u07']
  const ended = await run(args, routed(agent, { terminal: true }))
  t.is(ended.exitCode, 0, ended.stderr)
  const line =
    'rack1-u07: writing (5 of 8), the image to be unpacked, for 1m30s, given up in 28m, attempt 2'
  t.true(ended.stderr.includes(line), ended.stderr)
  t.true(ended.stderr.endsWith('\r\u001b[K'))
})

test('a daemon that is not there says its own name', async (t) => {
  const environment = { PURLIN_BAREMETAL_SOCKET: '/nowhere/baremetal-pxe.sock' }
  const ended = await run(['bm', 'chassis', 'list'], { environment })
  t.is(ended.exitCode, 1)
  t.regex(ended.stderr, /\/nowhere\/baremetal-pxe.sock/)
})
