import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { zstdDecompressSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { fixedAgent, problem } from '../tests/agent.ts'
import { run } from '../tests/run.ts'

const LAYER = {
  origin: 'a',
  devices: ['/dev/nvme0n1'],
  phase: 'running',
  error: null,
  mode: 'writeback',
  sizeBytes: 1 << 30,
  cachedBytes: 1 << 29,
  dirtyBytes: 1 << 20,
  lostBytes: 12_288,
  lostOffsets: [4096, 8192, 40_960],
  devicesInUse: 1,
  deviceErrors: 2,
  readPages: 1000,
  missedPages: 100,
  writtenPages: 10,
  originReads: 90,
  originWrites: 5,
  deviceWrittenBytes: 4096,
}

/** A daemon that answers by a table; the calls it got. */
async function daemon(t: ExecutionContext, answers: Readonly<Record<string, unknown>>) {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cache-'))
  const calls: unknown[] = []
  const server = createServer((socket) => {
    createInterface({ input: socket }).on('line', (line) => {
      const { version, id, call, arguments: words } = JSON.parse(line)
      calls.push([call, words])
      const found = answers[call]
      const answer = typeof found === 'function' ? found() : found
      socket.end(`${JSON.stringify({ version, id, ...answer })}\n`)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(join(folder, 'blockd.control.sock'), resolve)
  })
  t.teardown(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  return { folder, calls }
}

const status = { result: { layers: [LAYER] } }
const ofPools = { result: { process: 1, pools: [] } }

test('cache status shows each disk’s cache, its hits, and what is lost as ranges', async (t) => {
  const { folder } = await daemon(t, { 'cache-status': status })
  const { stdout, exitCode } = await run(['cache', 'status', 'p', '--sockets', folder])
  t.is(exitCode, 0)
  t.regex(stdout, /^a +writeback +running +512\.0 MiB of 1\.0 GiB +1\.0 MiB +90\.0 % +1 of 1 +2 /m)
  t.regex(stdout, /^lost of a: 12\.0 KiB, errors until written again: 4096\+8192 40960\+4096$/m)
  const json = await run(['cache', 'status', 'p', '--sockets', folder, '-o', 'json'])
  t.deepEqual(JSON.parse(json.stdout), { layers: [LAYER] })
})

test('cache status names the disks of a pool that have no cache', async (t) => {
  const result = { layers: [LAYER], uncachedDisks: ['c', 'd'] }
  const { folder } = await daemon(t, { 'cache-status': { result } })
  const { stdout } = await run(['cache', 'status', 'p', '--sockets', folder])
  t.regex(stdout, /^without a cache, since they came while the pool was in use: c d$/m)
  const json = await run(['cache', 'status', 'p', '--sockets', folder, '-o', 'json'])
  t.deepEqual(JSON.parse(json.stdout), result)
})

test('each verb is its call, and pass is the mode pass-through', async (t) => {
  const answers = {
    'cache-status': status,
    status: ofPools,
    ...Object.fromEntries(
      ['mode', 'flush', 'attach', 'detach', 'accept-loss'].map((verb) => [
        `cache-${verb}`,
        { result: {} },
      ]),
    ),
  }
  const { folder, calls } = await daemon(t, answers)
  for (const words of [
    ['mode', 'p', 'pass'],
    ['flush', 'p'],
    ['attach', 'p'],
    ['detach', 'p'],
  ]) {
    t.is((await run(['cache', ...words, '--sockets', folder])).exitCode, 0)
  }
  t.is((await run(['cache', 'accept-loss', 'p', '--sockets', folder])).exitCode, 0)
  const looks = ['cache-status', 'status']
  const changes = calls.filter((call) => !looks.includes((call as [string])[0]))
  t.deepEqual(changes, [
    ['cache-mode', { pool: 'p', mode: 'pass-through' }],
    ['cache-flush', { pool: 'p' }],
    ['cache-attach', { pool: 'p' }],
    ['cache-detach', { pool: 'p' }],
    ['cache-accept-loss', { pool: 'p' }],
  ])
})

test('an SSD is exchanged by its path, and in writeback asks for a proof', async (t) => {
  const done = { result: {} }
  const { folder, calls } = await daemon(t, {
    'cache-status': status,
    'cache-device-add': done,
    'cache-device-remove': done,
  })
  const words = (verb: string, ...more: readonly string[]) =>
    run(['cache', verb, 'p', '--sockets', folder, '--device', `${folder}/ssd`, ...more])
  t.regex((await words('attach')).stderr, /\(PUR_CACHE_UNPROVEN\)\n$/)
  t.is((await words('attach', '--force', '--size-mib', '4')).exitCode, 0)
  t.regex((await words('detach')).stderr, /p has no SSD .*\/ssd; it has \/dev\/nvme0n1\n$/)
  const device = '/dev/nvme0n1'
  const known = ['cache', 'detach', 'p', '--sockets', folder, '--device', device]
  t.is((await run(known)).exitCode, 0)
  t.deepEqual(
    calls.filter((call) => (call as [string])[0].startsWith('cache-device')),
    [
      [
        'cache-device-add',
        { pool: 'p', device: `${folder}/ssd`, overwrite: false, sizeBytes: 4 << 20 },
      ],
      ['cache-device-remove', { pool: 'p', device }],
    ],
  )
})

test('writeback without a proof is refused, and with --force says what it risks', async (t) => {
  const answers = { 'cache-status': status, status: ofPools, 'cache-mode': { result: {} } }
  const { folder, calls } = await daemon(t, answers)
  const words = ['cache', 'mode', 'p', 'writeback', '--sockets', folder]
  const refused = await run(words)
  t.not(refused.exitCode, 0)
  t.false(calls.some((call) => (call as [string])[0] === 'cache-mode'))
  const forced = await run([...words, '--force'])
  t.is(forced.exitCode, 0)
  t.regex(forced.stderr, /use it by its cache only[\s\S]*one SSD: if it dies/)
})

const LOCK = {
  name: 'v',
  host: 'h1',
  origin: '/dev/sdx',
  identity: 'naa.5',
  devices: ['/dev/nvme0n1'],
  sinceMs: 0,
  risk: 'it lacks what is dirty',
}

test('writeback of a served device keeps a lock with the agent, and without one needs --alone', async (t) => {
  const layer = { ...LAYER, origin: '/dev/sdx', mode: 'writethrough', dirtyBytes: 0 }
  const { folder, calls } = await daemon(t, {
    'cache-status': { result: { layers: [layer] } },
    status: { result: { cached: 'v' } },
    'cache-mode': { result: {} },
  })
  await using agent = await fixedAgent({
    'POST /v1/cache-locks': [200, { lock: LOCK }],
    'DELETE /v1/cache-locks/v': [200, {}],
  })
  const mode = (word: string, socket: string, ...more: readonly string[]) =>
    run(['cache', 'mode', 'v', word, '--sockets', folder, '--socket', socket, ...more])
  const kept = await mode('writeback', agent.socketPath, '--force')
  t.is(kept.exitCode, 0)
  t.regex(kept.stderr, /lock kept of \/dev\/sdx: it lacks what is dirty/)
  const { idempotencyKey: _, ...body } = JSON.parse(agent.seen[0]?.body ?? '{}')
  t.deepEqual(body, { name: 'v', origin: '/dev/sdx', devices: ['/dev/nvme0n1'], writeback: true })
  t.is((await mode('writethrough', agent.socketPath)).exitCode, 0)
  t.is(agent.seen.at(-1)?.method, 'DELETE')

  const before = calls.length
  const none = join(folder, 'none.sock')
  const refused = await mode('writeback', none, '--force')
  t.regex(refused.stderr, /no agent keeps the lock.*--alone.*\(PUR_CACHE_UNLOCKED\)\n$/)
  t.false(calls.slice(before).some((call) => (call as [string])[0] === 'cache-mode'))
  const alone = await mode('writeback', none, '--force', '--alone')
  t.is(alone.exitCode, 0)
  t.regex(alone.stderr, /no agent: only the lock file here says/)
  // What is at home may be let go of without an agent.
  t.is((await mode('pass', none)).exitCode, 0)
})

test('a device that another cache has is not served', async (t) => {
  await using agent = await fixedAgent({
    'POST /v1/cache-locks': problem(409, 'PUR_CACHE_LOCKED', '/dev/sdx lacks what h2 has'),
  })
  const devices = ['--origin', '/dev/sdx', '--cache', join(agent.folder, 'ssd.img')]
  const folders = ['--locks', agent.folder, '--sockets', agent.folder]
  const words = ['cache', 'serve', ...devices, ...folders, '--socket', agent.socketPath]
  const { stderr } = await run(words)
  t.regex(stderr, /lacks what h2 has \(PUR_CACHE_LOCKED\)\n$/)
})

test('what a daemon refuses, and a daemon that is away, are one sentence with a code', async (t) => {
  const error = { code: 'PUR_CACHE_STATE', message: 'its cache is attached; detach it first' }
  const { folder } = await daemon(t, { 'cache-status': status, 'cache-attach': { error } })
  const refused = await run(['cache', 'attach', 'p', '--sockets', folder])
  t.is(refused.stderr, 'purlin: its cache is attached; detach it first (PUR_CACHE_STATE)\n')
  const away = await run(['cache', 'status', 'p', '--sockets', join(folder, 'none')])
  t.regex(away.stderr, /\(PUR_CACHE_UNREACHABLE\)\n$/)
})

test('cache record writes what was taken, packed where the name says so', async (t) => {
  let parts = 0
  const lines = '0.1,r,8,4096\n'
  const { folder, calls } = await daemon(t, {
    'record-start': { result: {} },
    'record-stop': { result: {} },
    'record-take': () => {
      parts += 1
      return { result: { lines, requests: 1, more: parts < 3, dropped: 0 } }
    },
  })
  const trace = join(folder, 'trace.csv.zst')
  const words = ['cache', 'record', 'v', '--trace', trace, '--sockets', folder, '-o', 'json']
  // Interrupted at once: what is there is written all the same.
  const { stdout } = await run(words, { signal: AbortSignal.abort() })
  const { requests } = JSON.parse(stdout)
  t.true(requests >= 3)
  t.is(zstdDecompressSync(await readFile(trace)).toString(), lines.repeat(requests))
  t.deepEqual(calls.at(-1), ['record-stop', { volume: 'v' }])
})

test('cache advise draws curves and names the knees', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cache-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const trace = join(folder, 'trace.csv')
  const { writeFile } = await import('node:fs/promises')
  const line = (i: number) => `${i},${i % 4 === 0 ? 'w' : 'r'},${((i * i) % 131) * 8},4096\n`
  await writeFile(trace, Array.from({ length: 3000 }, (_, i) => line(i)).join(''))
  const words = ['cache', 'advise', '--trace', trace, '--size-percent', '50,100']
  const table = await run(words)
  t.regex(table.stdout, /3000 requests for \d+ pages\n\nwritethrough: /)
  t.regex(table.stdout, /\nwriteback: more than .* gains little\n/)
  const { knees, rows } = JSON.parse((await run([...words, '-o', 'json'])).stdout)
  t.is(rows.length, 4)
  t.true(knees.length > 0)
  const picture = await run([...words, '-o', 'svg'])
  t.regex(picture.stdout, /^<svg [\s\S]*<polyline [\s\S]*writeback[\s\S]*<\/svg>\n$/)
})
