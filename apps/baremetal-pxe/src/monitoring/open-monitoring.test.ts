import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVirtualClock, type VirtualClock } from '@purlin/base'
import test from 'ava'
import type { Monitoring } from './monitoring.ts'
import { openMonitoring } from './open-monitoring.ts'

const SERVER = 'https://10.88.0.1:8448'
const DB = { instance: 'db-1', chassis: 'rack1-u07' }

interface Rig {
  readonly folder: string
  readonly clock: VirtualClock
  readonly warnings: string[]
  readonly packages: string
  open(): Promise<Monitoring>
}

async function withRig(use: (rig: Rig) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-monitoring-'))
  const clock = createVirtualClock(1_700_000_000_000)
  const warnings: string[] = []
  const packages = join(folder, 'packages')
  await mkdir(packages)
  for (const name of ['purlin-bm-agent_0.1.0_amd64.deb', 'purlin-bm-agent-0.1.0-1.x86_64.rpm']) {
    await writeFile(join(packages, name), name)
  }
  const open = (): Promise<Monitoring> =>
    openMonitoring({
      folder: join(folder, 'state'),
      packageFolders: ['/no/such/folder', packages],
      authority: async () => '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n',
      warn: (message) => warnings.push(message),
      clock,
    })
  try {
    await use({ folder, clock, warnings, packages, open })
  } finally {
    await rm(folder, { recursive: true })
  }
}

const text = (load: number): Uint8Array =>
  Buffer.from(`node_load1 ${load}\nnode_cpu_seconds_total{cpu="0",mode="idle"} 7.25\n`)

async function tokenOf(monitoring: Monitoring, of = DB): Promise<string> {
  const script = await monitoring.agentScript(of, SERVER)
  return /'([A-Za-z0-9_-]{22})' > \/etc\/purlin\/bm-agent.token/.exec(script)?.[1] ?? 'none'
}

test('an instance pushes by its token, and its values are answered, kept and exported', async (t) => {
  await withRig(async ({ open, clock }) => {
    const monitoring = await open()
    const token = await tokenOf(monitoring)
    for (const load of [1, 2, 3]) {
      t.deepEqual(await monitoring.accept(token, text(load)), { status: 204, message: '' })
      await clock.advance(15_000)
    }
    const latest = await monitoring.latest('db-1', 'node_load1')
    t.like(latest, { ...DB, reporting: true, lastPushMs: 1_700_000_030_000 })
    t.deepEqual(latest.series, [{ metric: 'node_load1', labels: {}, value: 3 }])
    const { series } = await monitoring.range('db-1', { metric: 'node_load1' })
    t.deepEqual(
      series[0]?.points.map(([, value]) => value),
      [1, 2, 3],
    )
    t.true(
      [...monitoring.exposition()]
        .join('')
        .includes('\nnode_load1{instance="db-1",chassis="rack1-u07"} 3\n'),
    )
    await monitoring.close()
  })
})

test('nobody pushes without a token, with a former one, or after the instance was forgotten', async (t) => {
  await withRig(async ({ open, folder }) => {
    const monitoring = await open()
    const former = await tokenOf(monitoring)
    const token = await tokenOf(monitoring)
    t.not(former, token)
    for (const bearer of [undefined, '', 'x', former, `${token}x`]) {
      t.is((await monitoring.accept(bearer, text(1))).status, 401)
    }
    t.is((await monitoring.accept(token, text(1))).status, 204)
    await monitoring.forget('db-1')
    t.is((await monitoring.accept(token, text(1))).status, 401)
    await t.throwsAsync(monitoring.latest('db-1'), { code: 'PUR_MONITORING_UNKNOWN' })
    t.deepEqual(await readdir(join(folder, 'state/history')), [])
    await monitoring.forget('nobody')
  })
})

test('no token is kept, and what is kept is for root alone', async (t) => {
  await withRig(async ({ open, folder }) => {
    const token = await tokenOf(await open())
    const path = join(folder, 'state/instances.json')
    const kept = await readFile(path, 'utf8')
    t.false(kept.includes(token))
    t.true(kept.includes(createHash('sha256').update(token).digest('hex')))
    t.is((await stat(path)).mode & 0o777, 0o600)
  })
})

test('a token, the newest values and the history outlive a restart', async (t) => {
  await withRig(async ({ open, clock }) => {
    const token = await tokenOf(await open())
    const first = await open()
    await first.accept(token, text(5))
    const monitoring = await open()
    t.is((await monitoring.latest('db-1', 'node_load1')).series[0]?.value, 5)
    await clock.advance(15_000)
    t.is((await monitoring.accept(token, text(6))).status, 204)
    const { series } = await monitoring.range('db-1', { metric: 'node_load1' })
    t.deepEqual(
      series[0]?.points.map(([, value]) => value),
      [5, 6],
    )
  })
})

test('a minute without a push is silence, and the export forgets the values', async (t) => {
  await withRig(async ({ open, clock }) => {
    const monitoring = await open()
    const token = await tokenOf(monitoring)
    t.like(monitoring.reporting()[0], { reporting: false, lastPushMs: undefined })
    await monitoring.accept(token, text(1))
    await clock.advance(60_000)
    t.true(monitoring.reporting()[0]?.reporting)
    await clock.advance(1)
    t.like(monitoring.reporting()[0], { reporting: false, sinceMs: 1_700_000_060_000 })
    t.deepEqual([...monitoring.exposition()], [])
    t.is((await monitoring.latest('db-1')).series.length, 2)
  })
})

test('a push that comes too soon, is too long or is no metrics is refused, and the next one taken', async (t) => {
  await withRig(async ({ open, clock }) => {
    const monitoring = await open()
    const token = await tokenOf(monitoring)
    t.is((await monitoring.accept(token, Buffer.from('<html>'))).status, 400)
    t.is((await monitoring.accept(token, new Uint8Array(2 ** 20 + 1))).status, 413)
    const both = await Promise.all([1, 2].map((load) => monitoring.accept(token, text(load))))
    t.deepEqual(
      both.map(({ status }) => status),
      [204, 429],
    )
    await clock.advance(3000)
    t.is((await monitoring.accept(token, text(3))).status, 429)
    await clock.advance(1000)
    t.is((await monitoring.accept(token, text(3))).status, 204)
  })
})

test('a history that cannot be written is told, and the newest values are there all the same', async (t) => {
  await withRig(async ({ open, folder, clock, warnings }) => {
    const monitoring = await open()
    const token = await tokenOf(monitoring)
    const history = join(folder, 'state/history/db-1')
    await rm(history, { recursive: true })
    t.is((await monitoring.accept(token, text(8))).status, 204)
    t.is(warnings.length, 1)
    t.is((await monitoring.latest('db-1', 'node_load1')).series[0]?.value, 8)
    await mkdir(history)
    await clock.advance(15_000)
    t.is((await monitoring.accept(token, text(9))).status, 204)
    t.is(warnings.length, 1)
  })
})

test('agent.sh is a script for both kinds of packages, with our authority and sums', async (t) => {
  await withRig(async ({ open, packages }) => {
    const monitoring = await open()
    const script = await monitoring.agentScript(DB, SERVER)
    t.notThrows(() => execFileSync('sh', ['-n'], { input: script }))
    const sum = createHash('sha256').update('purlin-bm-agent_0.1.0_amd64.deb').digest('hex')
    t.true(script.includes(`deb:x86_64) name='purlin-bm-agent_0.1.0_amd64.deb' sha256=${sum} ;;`))
    t.true(script.includes("rpm:x86_64) name='purlin-bm-agent-0.1.0-1.x86_64.rpm'"))
    t.deepEqual([...(await monitoring.packages()).keys()].sort(), (await readdir(packages)).sort())
    await rm(packages, { recursive: true })
    await t.throwsAsync(monitoring.agentScript(DB, SERVER), { code: 'PUR_MONITORING_PACKAGE' })
    await mkdir(packages)
  })
})
