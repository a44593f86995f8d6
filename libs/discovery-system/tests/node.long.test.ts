import { createHash } from 'node:crypto'
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run } from '@purlin/base'
import { discoveryReport } from '@purlin/schema'
import test from 'ava'
import { Guest, type GuestOptions, SECOND_MAC, WWN } from './guest.ts'
import { bootMac, INSPECTION, ONE_BYTES, one, planOf, TWO_BYTES, two } from './plan.ts'
import { DeploymentServer } from './server.ts'
import { tinyRoot } from './tiny-root.ts'

const repository = join(import.meta.dirname, '../../..')
/** Emulated and beside other work: generous, and hit by hangs alone. */
const DEADLINE_MS = 15 * 60_000

const folder = await mkdtemp(join(tmpdir(), 'purlin-node-'))
/** Built by the tool that other tests use as well; the archive of the tiny root comes from the same
 *  packages. */
const system = join(repository, '.purlin/discovery')
const archives = join(repository, '.purlin/discovery-packages/archives')
const server = new DeploymentServer()
let sha256 = ''
let guest: Guest | undefined

test.before(async (t) => {
  t.timeout(DEADLINE_MS)
  for (const [tool, ...names] of [
    ['tools/native/build.ts', 'discovery-system'],
    ['tools/bare-metal/discovery.ts'],
  ]) {
    const words = ['--conditions=purlin-source', join(repository, tool ?? ''), ...names]
    await run(process.execPath, words, { timeoutMs: DEADLINE_MS })
  }
  const archive = await readFile(await tinyRoot(archives, folder))
  sha256 = createHash('sha256').update(archive).digest('hex')
  server.files.set('root.tar.zst', archive)
  server.files.set('post.sh', Buffer.from('hostname >/dev/null\necho done >/data/post\n'))
  server.files.set('inspect.sh', Buffer.from(INSPECTION))
  for (const [name, bytes] of [['one', ONE_BYTES] as const, ['two', TWO_BYTES] as const]) {
    await writeFile(join(folder, `${name}.img`), '')
    await truncate(join(folder, `${name}.img`), bytes)
  }
  await server.listen()
})

test.afterEach.always(async (t) => {
  if (!t.passed && guest !== undefined) t.log((await guest.console()).slice(-3_000))
  await guest?.cut()
})

test.after.always(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

function start(name: string, options: GuestOptions = {}): Guest {
  guest = new Guest(system, folder, server.nodeUrl, name, options)
  return guest
}

test.serial('the report of a machine passes the schema and names disks as udev does', async (t) => {
  t.timeout(DEADLINE_MS)
  start('report')
  server.order({ order: 'power-off' })
  await guest?.ended(AbortSignal.timeout(DEADLINE_MS))
  const report = discoveryReport.parse(server.reports[0])
  t.is(report.system.uuid, '12345678-aaaa-bbbb-cccc-0a0b0c0d0e0f')
  t.is(report.system.serial, 'SERIAL-1')
  t.is(report.memory.modules[0]?.sizeMiB, 768)
  const disks = report.disks.map(({ serial, wwn, sizeBytes, transport }) => ({
    ...{ serial, wwn, sizeBytes, transport },
  }))
  t.deepEqual(disks, [
    { serial: 'DISK-TWO', wwn: WWN, sizeBytes: TWO_BYTES, transport: 'sata' },
    { serial: 'DISK-ONE', wwn: undefined, sizeBytes: ONE_BYTES, transport: 'virtio' },
  ])
  t.deepEqual(
    report.disks.map(({ links }) => links),
    [[two.link, `wwn-${WWN}`], [one.link]],
  )
  t.deepEqual(report.nics.map(({ mac }) => mac).sort(), [bootMac, SECOND_MAC])
  t.true(report.pci.some(({ description }) => description?.includes('Virtio')))
})

test.serial(
  'a report whose answer was lost is sent again; an empty clock is set by the server',
  async (t) => {
    t.timeout(DEADLINE_MS)
    const before = server.reports.length
    server.lostReports.push('cut', 'unavailable')
    const nowS = Math.floor(Date.now() / 1_000)
    const clock = { clock: '2001-01-01T00:00:00', words: [`purlin.time=${nowS}`] }
    const lost = start('lost', clock)
    server.order({ order: 'power-off' })
    await lost.ended(AbortSignal.timeout(DEADLINE_MS))
    const sent = server.reports.slice(before).map((report) => discoveryReport.parse(report))
    t.is(sent.length, 3)
    t.deepEqual([sent[1]?.system, sent[2]?.disks], [sent[0]?.system, sent[0]?.disks])
    const set = /clock set by the server, from (9783\d+) to (\d+)/.exec(await lost.console())
    t.true(set !== null, 'the console tells that the clock was set')
    t.true(Math.abs(Number(set?.[2]) - nowS) < 300)
  },
)

test.serial('a wrong disk, and an archive of another sum, leave nothing that starts', async (t) => {
  t.timeout(DEADLINE_MS)
  const before = await Promise.all(['one', 'two'].map((name) => sumOf(name)))
  start('refused')
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const from = server.events.length
  server.order({ order: 'image', steps: planOf(server, sha256, { ...one, serial: 'OTHER' }) })
  const failed = await server.waitFor(['failed'], from, signal)
  const message = server.events[failed]?.message ?? ''
  t.regex(message, /virtio-DISK-ONE .*serial number is DISK-ONE, expected OTHER/)
  t.deepEqual(
    server.events.slice(from).map(({ step }) => step),
    ['failed'],
  )
  t.deepEqual(await Promise.all(['one', 'two'].map((name) => sumOf(name))), before)

  server.order({ order: 'image', steps: planOf(server, 'b'.repeat(64)) })
  const again = await server.waitFor(['failed'], failed + 1, signal)
  t.regex(server.events[again]?.message ?? '', /unpack the image: .*not the one that was meant/)
  t.false(server.events.slice(from).some(({ step }) => step === 'bootloader'))
})

const WHOLE =
  'a power cut while writing is followed by a whole deployment, through a server that is killed'
test.serial(WHOLE, async (t) => {
  t.timeout(DEADLINE_MS)
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const from = server.events.length
  server.slow.add('root.tar.zst')
  server.order({ order: 'image', steps: planOf(server, sha256) })
  const cut = start('cut')
  const writing = await server.waitFor(['writing'], from, signal)
  while (server.slowBytes === 0) await pause(50, undefined, { signal })
  await cut.cut()

  // This time the server is killed in the middle of the archive, and once it is back a connection
  // breaks.
  const sent = server.slowBytes
  server.order({ order: 'image', steps: planOf(server, sha256) })
  start('whole')
  while (server.slowBytes < sent + 262_144) await pause(50, undefined, { signal })
  await server.close()
  server.slow.clear()
  server.cutAfterBytes.set('root.tar.zst', 262_144)
  await pause(3_000, undefined, { signal })
  await server.listen()
  await untilEnd(writing + 1, signal)
  t.deepEqual(
    server.events.slice(writing + 1).map(({ step }) => step),
    ['installing', 'partitioning', 'writing', 'bootloader', 'rebooting'],
  )
  const starts = server.ranges.map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1]))
  t.is(starts.length, 2)
  t.true((starts[0] ?? 0) > 0 && (starts[1] ?? 0) > (starts[0] ?? 0), `it went on at ${starts}`)

  server.order({
    order: 'image',
    steps: [{ do: 'run-script', url: server.fileUrl('inspect.sh') }, { do: 'restart-from-disk' }],
  })
  const inspected = start('inspected')
  await untilEnd(server.events.length, signal)
  const seen = (await inspected.console()).replaceAll('\r', '')
  t.true(seen.includes('SEEN-ALL'), seen.slice(-2_000))
  const uuid = /^ROOT-UUID (\S+)$/m.exec(seen)?.[1] ?? 'none'
  t.true(seen.includes(`FSTAB UUID=${uuid} / ext4 defaults 0 0`), seen)
  t.is([...seen.matchAll(/^FSTAB UUID=/gm)].length, 5)
  for (const line of [
    'MACHINE-ID <>',
    'HOSTNAME <node-1.example.org>',
    'HOST-KEY <of this machine>',
    'ARGUMENT <a b;c>',
    'POST <done>',
    'CALL grub-install --target=i386-pc --recheck /dev/vda',
    'CALL update-grub',
  ]) {
    t.true(seen.includes(`${line}\n`), line)
  }
})

test.serial('quick erasure takes every signature, full erasure every byte', async (t) => {
  t.timeout(DEADLINE_MS)
  const signal = AbortSignal.timeout(DEADLINE_MS)
  await fill(join(folder, 'two.img'), TWO_BYTES)
  const from = server.events.length
  server.order({ order: 'erase', how: 'quick', disks: [one] })
  start('erased')
  const quick = await server.waitFor(['erased', 'failed'], from, signal)
  t.is(server.events[quick]?.step, 'erased', server.events[quick]?.message)
  server.order({ order: 'erase', how: 'full', disks: [two] })
  const full = await server.waitFor(['erased', 'failed'], quick + 1, signal)
  t.is(server.events[full]?.step, 'erased', server.events[full]?.message)
  server.order({ order: 'power-off' })
  await guest?.ended(signal)

  const { stdout } = await run('wipefs', [join(folder, 'one.img')], { timeoutMs: 60_000 })
  t.is(stdout, '')
  t.false(await holds(join(folder, 'one.img'), ['LABELONE', 'EFI PART', 'XFSB']))
  const bytes = await readFile(join(folder, 'two.img'))
  t.is(bytes.length, TWO_BYTES)
  t.true(bytes.equals(Buffer.alloc(TWO_BYTES)))
})

test.serial('a server that refuses a step stops the deployment there', async (t) => {
  t.timeout(DEADLINE_MS)
  const from = server.events.length
  server.refused.add('partitioning')
  server.order({ order: 'image', steps: planOf(server, sha256) })
  start('stopped')
  const failed = await server.waitFor(['failed'], from, AbortSignal.timeout(DEADLINE_MS))
  t.regex(server.events[failed]?.message ?? '', /tell partitioning.*409/)
  t.true((await readFile(join(folder, 'two.img'))).equals(Buffer.alloc(TWO_BYTES)))
})

/** Until the machine stops; a failure that it tells meanwhile is the test's. */
async function untilEnd(from: number, signal: AbortSignal): Promise<void> {
  const told = new AbortController()
  const failed = server.waitFor(['failed'], from, AbortSignal.any([signal, told.signal]))
  const end = guest?.ended(signal).then(() => -1) ?? Promise.resolve(-1)
  const at = await Promise.race([failed, end])
  told.abort()
  await failed.catch(() => undefined)
  if (at >= 0) throw new Error(server.events[at]?.message)
}

async function sumOf(name: string): Promise<string> {
  const content = await readFile(join(folder, `${name}.img`))
  return createHash('sha256').update(content).digest('hex')
}

async function fill(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, 0)
  await file.close()
}

async function holds(path: string, words: readonly string[]): Promise<boolean> {
  const content = await readFile(path)
  return words.some((word) => content.includes(word))
}
