import { type Grant, type NodeReach, tokenSha256 } from '@purlin/boot-service'
import test from 'ava'
import { MAC, request } from '../../tests/support/lives.ts'
import { reportOf } from '../../tests/support/samples.ts'
import { World } from '../../tests/support/world.ts'
import type { Conductor } from './conductor.ts'

const urls = { http: 'http://10.88.0.1:8088', https: 'https://10.88.0.1:8448' }
const asking = {
  network: 'deploy0',
  mac: MAC,
  address: '10.88.0.107',
  firmware: 'bios',
  loader: 'ipxe',
  name: 'c1',
  urls,
} as const

/** A daemon whose node is played by the test: its own firmware never reaches the network. */
async function waiting(ask: 'discover' | 'deploy', instance = 'db-1'): Promise<World> {
  const world = new World({ faults: { ignoresBoot: 'always' } })
  await world.start()
  await world.enrol()
  while (world.conductor.lifeOf('c1')?.boot?.poweredAtMs === undefined) await pass(world)
  if (ask === 'discover') return world
  const { conductor } = world
  const { grant } = await boot(conductor)
  await conductor.request('c1', { ask: 'deploy', ...request, instance })
  await conductor.desk.onReport(grant, reportOf())
  while (conductor.lifeOf('c1')?.state !== 'booting') await pass(world)
  while (conductor.lifeOf('c1')?.boot?.poweredAtMs === undefined) await pass(world)
  return world
}

async function pass(world: World): Promise<void> {
  await world.clock.advance(500)
}

async function boot(
  conductor: Conductor,
): Promise<{ readonly grant: Grant; readonly reached: NodeReach; readonly words: string }> {
  const decision = await conductor.desk.onBoot(asking)
  const words = 'arguments' in decision ? decision.arguments.join(' ') : ''
  const token = /\/node\/([\w-]{22})/.exec(words)?.[1] ?? ''
  const grant = conductor.desk.grantOf(tokenSha256(token))
  if (grant === undefined) throw new Error(`no grant: ${JSON.stringify(decision)}`)
  return { grant, words, reached: { token, url: `${urls.http}/node/${token}`, urls } }
}

test('each boot has a fresh token, and the one before is good for nothing', async (t) => {
  const world = await waiting('discover')
  const { desk } = world.conductor
  const first = await boot(world.conductor)
  const second = await boot(world.conductor)
  t.not(first.grant.tokenSha256, second.grant.tokenSha256)
  t.is(desk.grantOf(first.grant.tokenSha256), undefined)
  t.like(await desk.onReport(first.grant, reportOf()), { ok: false, status: 410 })
  t.like(await desk.onReport(second.grant, reportOf()), { ok: true })
  t.true(second.words.includes('purlin.url=https://10.88.0.1:8448/node/'))
  await world.stop()
})

test('a token is in no record, only its SHA-256', async (t) => {
  const world = await waiting('discover')
  const { reached, grant } = await boot(world.conductor)
  const record = JSON.stringify(world.conductor.lifeOf('c1'))
  t.false(record.includes(reached.token))
  t.true(record.includes(grant.tokenSha256))
  await world.stop()
})

test('a file with secrets is served once in a boot, and again in the next', async (t) => {
  const world = await waiting('deploy')
  const { desk } = world.conductor
  const { grant, reached } = await boot(world.conductor)
  const file = await desk.fileOf(grant, 'preseed.cfg', reached)
  t.like(file, { ok: true, once: true })
  t.true(file.ok && String(file.content).includes(`${urls.http}/node/${reached.token}/event/`))
  const spent = await Promise.all([1, 2].map(() => desk.spendFile(grant, 'preseed.cfg')))
  t.deepEqual(spent, [true, false])
  t.like(await desk.fileOf(grant, 'preseed.cfg', reached), { ok: false, status: 410 })
  const next = await boot(world.conductor)
  t.like(await desk.fileOf(next.grant, 'preseed.cfg', next.reached), { ok: true })
  t.like(await desk.fileOf(next.grant, '../life', next.reached), { ok: false, status: 404 })
  await world.stop()
})

test('a node tells steps of its own boot alone, forward, and never another’s', async (t) => {
  const world = await waiting('deploy')
  const { desk } = world.conductor
  const { grant } = await boot(world.conductor)
  t.like(await desk.onEvent(grant, 'erased', undefined), { ok: false, status: 403 })
  t.like(await desk.onEvent(grant, 'sudo', undefined), { ok: false, status: 404 })
  t.like(await desk.onEvent(grant, 'running', undefined), { ok: false, status: 409 })
  t.like(await desk.onEvent(grant, 'partitioning', undefined), { ok: true })
  t.like(await desk.onEvent(grant, 'partitioning', undefined), { ok: true })
  t.like(await desk.onEvent(grant, 'installing', undefined), { ok: false, status: 409 })
  const forged = { ...grant, node: 'c2' }
  t.like(await desk.onEvent(forged, 'installed', undefined), { ok: false, status: 410 })
  t.is(world.conductor.lifeOf('c1')?.state, 'partitioning')
  await world.stop()
})

test('media are read by the node that is installed from them, and while it is', async (t) => {
  const world = await waiting('deploy')
  const { desk } = world.conductor
  const medium = { tree: 'media', name: 'debian-13' } as const
  t.like(await desk.mayRead(asking.address, medium), { ok: false, status: 403 })
  const { grant } = await boot(world.conductor)
  t.like(await desk.mayRead(asking.address, medium), { ok: true })
  t.like(await desk.mayRead('10.88.0.66', medium), { ok: false, status: 403 })
  t.like(await desk.mayRead(asking.address, { ...medium, name: 'other' }), { ok: false })
  await desk.onEvent(grant, 'failed', 'a disk')
  t.like(await desk.mayRead(asking.address, medium), { ok: false, status: 403 })
  await world.stop()
})

test('an image is ordered after the report has proved the machine, not before', async (t) => {
  const world = await waiting('deploy', 'image-1')
  const { desk } = world.conductor
  const { grant, reached } = await boot(world.conductor)
  const now = AbortSignal.abort()
  t.deepEqual(await desk.ordersOf(grant, now, reached), { order: 'wait' })
  t.like(await desk.onEvent(grant, 'installing', undefined), { ok: false, status: 409 })
  t.like(await desk.onReport(grant, reportOf()), { ok: true })
  t.like(await desk.ordersOf(grant, now, reached), { order: 'image' })
  await world.stop()
})

test('a disk that was changed since the plan is not written to by guess', async (t) => {
  const world = await waiting('deploy', 'image-1')
  const { desk } = world.conductor
  const { grant, reached } = await boot(world.conductor)
  const report = reportOf()
  const [disk] = report.disks
  if (disk === undefined) return t.fail()
  const smaller = { ...disk, serial: 'mine', links: ['virtio-mine'], sizeBytes: 8 * 1_073_741_824 }
  await desk.onReport(grant, { ...report, disks: [...report.disks, smaller] })
  t.deepEqual(await desk.ordersOf(grant, AbortSignal.abort(), reached), { order: 'wait' })
  const failure = world.conductor.lifeOf('c1')?.failure
  t.regex(failure?.cause ?? '', /prepared for virtio-disk0, now it would be virtio-mine/)
  const told = world.told.find(({ type }) => type === 'chassis.hardware-changed')
  t.is(told?.message, 'since its last report: disk mine added')
  await world.stop()
})

test('a report that is sent again, because its answer was lost, is answered and asks for nothing twice', async (t) => {
  const world = await waiting('deploy', 'image-1')
  const { desk } = world.conductor
  const { grant, reached } = await boot(world.conductor)
  for (const _ of [1, 2, 3]) t.like(await desk.onReport(grant, reportOf()), { ok: true })
  t.deepEqual(
    world.told.filter(({ type }) => type === 'chassis.hardware-changed'),
    [],
  )
  for (const _ of [1, 2]) {
    t.like(await desk.ordersOf(grant, AbortSignal.abort(), reached), { order: 'image' })
  }
  t.like(await desk.onEvent(grant, 'installing', undefined), { ok: true })
  t.like(await desk.onReport(grant, reportOf()), { ok: false, status: 409 })
  t.is(world.conductor.lifeOf('c1')?.state, 'installing')
  await world.stop()
})

test('reports are kept, sixteen of a chassis, and what differs is told between any two', async (t) => {
  const world = await waiting('discover')
  const { conductor } = world
  const { grant } = await boot(conductor)
  const report = reportOf()
  for (let sizeMiB = 1; sizeMiB <= 18; sizeMiB++) {
    await conductor.desk.onReport(grant, { ...report, memory: { sizeMiB: sizeMiB * 1_024 } })
  }
  const kept = await conductor.reportsOf('c1')
  t.deepEqual(
    kept.map(({ id, memoryMiB }) => [id, memoryMiB / 1_024]),
    Array.from({ length: 16 }, (_, index) => [18 - index, 18 - index]),
  )
  t.is((await conductor.reportOf('c1', 'latest')).report.memory.sizeMiB, 18 * 1_024)
  const last = await conductor.reportChanges('c1')
  t.like(last, { from: 17, to: 18, changes: [{ before: 17 * 1_024, after: 18 * 1_024 }] })
  const whole = await conductor.reportChanges('c1', 3, 18)
  t.like(whole, { from: 3, to: 18, changes: [{ before: 3 * 1_024, after: 18 * 1_024 }] })
  await t.throwsAsync(conductor.reportChanges('c1', 2, 18), { message: /sixteen are kept/ })
  await world.stop()
})

test('what is no report is refused with its problems, and repeats nothing of it', async (t) => {
  const world = await waiting('discover')
  const { grant } = await boot(world.conductor)
  const answer = await world.conductor.desk.onReport(grant, { version: 1, evil: '<script>' })
  t.like(answer, { ok: false, status: 422 })
  t.false(JSON.stringify(answer).includes('script'))
  await world.stop()
})

test('a stranger in the enrol window tells what it is and is switched off; nothing is written', async (t) => {
  const world = await waiting('discover')
  const { desk } = world.conductor
  const { name: _name, ...stranger } = {
    ...asking,
    mac: '52:54:00:99:00:01',
    address: '10.88.0.190',
  }
  const decision = await desk.onBoot(stranger)
  t.is(decision.boot, 'discovery')
  const words = 'arguments' in decision ? decision.arguments.join(' ') : ''
  const token = /\/node\/([\w-]{22})/.exec(words)?.[1] ?? ''
  const grant = desk.grantOf(tokenSha256(token))
  if (grant === undefined) return t.fail()
  t.deepEqual(grant.addresses, ['10.88.0.190'])
  t.deepEqual(await desk.onReport(grant, reportOf()), { ok: true })
  const [listed] = world.conductor.strangers('deploy0')
  t.like(listed, { mac: stranger.mac, product: 'Rack 1', serial: 'C7' })
  t.deepEqual(world.conductor.strangers('deploy1'), [], 'another network has none of them')
  const reached = { token, url: '', urls }
  t.deepEqual(await desk.ordersOf(grant, AbortSignal.abort(), reached), { order: 'power-off' })
  t.deepEqual(await world.conductor.reportsOf('c1'), [])
  t.is((await desk.onBoot({ ...stranger, name: 'gone' })).boot, 'refused')
  await world.stop()
})
