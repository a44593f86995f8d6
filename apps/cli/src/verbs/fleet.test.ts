import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { fixedAgent, problem } from '../../tests/agent.ts'
import { run } from '../../tests/run.ts'

const hostB = {
  kind: 'Host',
  name: 'host-b',
  spec: { addresses: ['192.0.2.2'], listen: '192.0.2.2:7443', version: '0.1.0' },
  uid: 'host-host-b',
  generation: 1,
  revision: 7,
  createdAtMs: 1_700_000_000_000,
  status: {
    observedGeneration: 1,
    lastSeenMs: 1_700_000_060_000,
    conditions: [
      {
        type: 'Ready',
        status: 'false',
        reason: 'Away',
        message: 'no lease',
        sinceMs: 1_700_000_060_000,
      },
    ],
  },
}

test('host list shows who is there and who is away, and when it was seen; get host where it is', async (t) => {
  await using agent = await fixedAgent({ 'GET /v1/hosts': [200, { items: [hostB] }] })
  const listed = await run(['--socket', agent.socketPath, 'host', 'list'])
  t.regex(listed.stdout, /host-b .* 2023-11-14T22:14:20Z +Away/)
  const { exitCode, stdout } = await run(['--socket', agent.socketPath, 'get', 'host'])
  t.is(exitCode, 0)
  t.regex(stdout, /NAME +ADDRESSES +LISTEN +VERSION +SEEN +READY/)
  t.regex(stdout, /host-b +192\.0\.2\.2 +192\.0\.2\.2:7443 +0\.1\.0 +2023-11-14T22:14:20Z +Away/)
})

test('host token prints the token alone; host join reads it from a file, never from its words', async (t) => {
  await using agent = await fixedAgent({
    'POST /v1/fleet/tokens': [200, { token: 'purlin-join.x', expiresAtMs: 1_700_000_000_000 }],
    'POST /v1/fleet/join': [200, { fleet: 'dc1', host: 'host-b', fingerprint: 'f' }],
  })
  const socket = ['--socket', agent.socketPath]
  const made = await run([...socket, 'host', 'token', '--host', 'host-b', '--minutes', '5'])
  t.is(made.stdout, 'purlin-join.x\n')
  t.deepEqual(JSON.parse(agent.seen[0]?.body ?? ''), { minutes: 5, host: 'host-b' })
  const file = join(agent.folder, 'token')
  await writeFile(file, made.stdout)
  const words = ['host', 'join', 'https://192.0.2.1:7443', '--listen', '192.0.2.2:7443', '--token']
  const joined = await run([...socket, ...words, file])
  t.is(joined.stdout, 'host-b has joined the fleet dc1\n')
  t.deepEqual(JSON.parse(agent.seen[1]?.body ?? ''), {
    server: 'https://192.0.2.1:7443',
    token: 'purlin-join.x',
    listen: '192.0.2.2:7443',
    discard: false,
  })
  const piped = await run([...socket, ...words, '-'], { stdin: 'purlin-join.x\n' })
  t.is(piped.exitCode, 0)
  t.is((await run([...socket, ...words, join(agent.folder, 'none')])).exitCode, 1)
})

test('a refusal to join is sent once and told with its code', async (t) => {
  await using agent = await fixedAgent({
    'POST /v1/fleet/join': problem(503, 'PUR_STORE_UNREACHABLE', 'no majority'),
  })
  const words = ['host', 'join', 'https://192.0.2.1:7443', '--listen', '192.0.2.2:7443']
  const refused = await run(['--socket', agent.socketPath, ...words, '--token', '-'], {
    stdin: 'x',
  })
  t.regex(refused.stderr, /PUR_STORE_UNREACHABLE/)
  t.is(agent.seen.length, 1)
})

test('fleet certificate writes key and certificates for their owner alone', async (t) => {
  await using agent = await fixedAgent({
    'POST /v1/fleet/certificates': [200, { certificate: 'C', key: 'K', ca: 'A', crl: 'L' }],
  })
  const folder = join(agent.folder, 'made')
  const words = [
    'fleet',
    'certificate',
    'etcd-1',
    '--folder',
    folder,
    '--address',
    '192.0.2.1',
    'e.org',
  ]
  t.is((await run(['--socket', agent.socketPath, ...words])).exitCode, 0)
  t.deepEqual(JSON.parse(agent.seen[0]?.body ?? ''), {
    name: 'etcd-1',
    addresses: ['192.0.2.1', 'e.org'],
  })
  t.is(await readFile(join(folder, 'etcd-1.key'), 'utf8'), 'K')
  t.is((await stat(join(folder, 'etcd-1.key'))).mode & 0o777, 0o600)
  t.is(await readFile(join(folder, 'ca.pem'), 'utf8'), 'A')
  t.is(await readFile(join(folder, 'crl.pem'), 'utf8'), 'L')
})

test('fleet authority writes whom to believe and whom no more, and no empty file', async (t) => {
  await using agent = await fixedAgent({
    'GET /v1/fleet/authority': [200, { fleet: 'dc1', ca: 'A', crl: '' }],
  })
  const folder = join(agent.folder, 'authority')
  const words = ['--socket', agent.socketPath, 'fleet', 'authority', '--folder', folder]
  t.is((await run(words)).stdout, `${join(folder, 'ca.pem')}\n`)
  await t.throwsAsync(stat(join(folder, 'crl.pem')))
})

test('store move names every endpoint, and files as the agent finds them', async (t) => {
  await using agent = await fixedAgent({
    'POST /v1/store/move': [200, { entries: 12, kept: '/var/lib/purlin/state.db.left' }],
  })
  const endpoints = ['https://a:2379', 'https://b:2379']
  const words = ['store', 'move', '--to', 'etcd', '--ca', 'ca.pem', '--endpoint', ...endpoints]
  const moved = await run(['--socket', agent.socketPath, ...words])
  t.is(moved.stdout, '12 entries are in etcd; the file is /var/lib/purlin/state.db.left\n')
  t.deepEqual(JSON.parse(agent.seen[0]?.body ?? ''), {
    endpoints,
    prefix: '/purlin',
    ca: join(process.cwd(), 'ca.pem'),
  })
})

test('store show says which store it is and why it does not answer', async (t) => {
  const store = {
    engine: 'etcd',
    state: 'unreachable',
    revision: 9,
    found: 'no majority',
    sinceMs: 0,
  }
  const health = { status: 'degraded', version: '1', host: 'a', uptimeSeconds: 1, lanes: [], store }
  await using agent = await fixedAgent({ 'GET /healthz': [503, health] })
  const shown = await run(['--socket', agent.socketPath, 'store', 'show'])
  t.regex(shown.stdout, /etcd +unreachable +9 +1970-01-01T00:00:00Z/)
  t.regex(shown.stderr, /no majority/)
})
