import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { type AddonConnection, type AddonEvent, loadAddon } from '../src/port/addon.ts'

/** The addon on libvirt's own test driver: no daemon, one domain `test` that runs. */
const addon = loadAddon()
const open = (
  uri: string,
  onEvent: (event: AddonEvent) => void = () => {},
): Promise<AddonConnection> =>
  addon.openConnection(
    {
      uri,
      readonly: uri.includes('?readonly'),
      deadlineMs: 5_000,
      keepAliveIntervalSeconds: 1,
      keepAliveCount: 3,
      agentConnections: 1,
    },
    onEvent,
  )

const TEST_DRIVER = 'test:///default'
const codeOf = async (call: Promise<unknown>): Promise<unknown> =>
  await call.then(
    () => 'no error',
    (error: { code: string; libvirtCode: number }) => [error.code, error.libvirtCode],
  )

test('host and domains are read', async (t) => {
  const connection = await open(TEST_DRIVER)
  const versions = await connection.versions(1_000)
  t.true(versions.library >= 6_000_000)
  t.true((await connection.hostname(1_000)).length > 0)
  t.true((await connection.capabilities(1_000)).startsWith('<capabilities>'))
  t.like(await connection.hostResources(1_000), { cpus: 16, memoryKib: 3_145_728 })
  t.true(await connection.isAlive(1_000))
  const domain = (await connection.listDomains(1_000)).find((one) => one.name === 'test')
  t.like(domain, { name: 'test', id: 1, state: 1, persistent: true, autostart: false })
  t.true(domain?.inactiveXml?.startsWith("<domain type='test'>"))
  const all = await connection.statistics(1_000)
  const statistics = all.find((one) => one.domain === 'test')
  t.deepEqual(statistics?.fields[0], { name: 'state.state', number: 1 })
  connection.close()
})

test('a domain lives through its verbs, and each change is an event', async (t) => {
  const events: AddonEvent[] = []
  const connection = await open(TEST_DRIVER, (event) => events.push(event))
  const xml = `<domain type='test'><name>é &amp; co</name><memory>65536</memory>
    <os><type>hvm</type></os></domain>`
  const name = 'é & co'
  await connection.defineXml(xml, 1_000)
  await connection.start(name, false, 1_000)
  t.is((await connection.domain(name, 1_000)).state, 1)
  await connection.suspend(name, 1_000)
  t.is((await connection.domain(name, 1_000)).state, 3)
  await connection.resume(name, 1_000)
  await connection.destroy(name, true, 1_000)
  t.is((await connection.domain(name, 1_000)).id, undefined)
  t.true((await connection.domainXml(name, true, 1_000)).includes('<name>é &amp; co</name>'))
  for (let tries = 0; tries < 200 && events.at(-1)?.event !== 5; tries++) await delay(10)
  t.true(events.every((event) => event.kind === 'lifecycle'))
  t.deepEqual(
    events.filter((event) => event.domain === name).map((event) => event.event),
    [0, 2, 3, 4, 5],
  )
  connection.close()
})

test('a saved domain is told from one that is off, and has its memory back once', async (t) => {
  const events: AddonEvent[] = []
  const connection = await open(TEST_DRIVER, (event) => events.push(event))
  const name = 'kept'
  await connection.defineXml(
    `<domain type='test'><name>${name}</name><memory>65536</memory><os><type>hvm</type></os></domain>`,
    1_000,
  )
  await connection.start(name, false, 1_000)
  await connection.save(name, 5_000)
  const saved = await connection.domain(name, 1_000)
  t.like(saved, { state: 5, managedSave: true, id: undefined })
  const isSaved = (event: AddonEvent): boolean => event.domain === name && event.event === 5
  for (let tries = 0; tries < 200 && !events.some(isSaved); tries++) await delay(10)
  t.is(events.find(isSaved)?.detail, 4)
  await connection.restore(name, false, 5_000)
  t.like(await connection.domain(name, 1_000), { state: 1, managedSave: false })
  await connection.save(name, 5_000)
  await connection.discardSave(name, 1_000)
  t.false((await connection.domain(name, 1_000)).managedSave)
  connection.close()
})

test('errors carry libvirt’s numbers', async (t) => {
  const connection = await open(TEST_DRIVER)
  t.deepEqual(await codeOf(connection.start('none', false, 1_000)), ['VIR_ERROR', 42])
  t.deepEqual(await codeOf(connection.start('a\0b', false, 1_000)), ['VIR_ERROR', 8])
  t.deepEqual(await codeOf(connection.defineXml('<domain', 1_000)), ['VIR_ERROR', 35])
  t.deepEqual(await codeOf(connection.agentCommand('test', '{}', 1, 1_000)), ['VIR_ERROR', 3])
  t.deepEqual(await codeOf(open('qemu+unix:///system?socket=/nowhere')), ['VIR_ERROR', 38])
  connection.close()
})

test('a full queue refuses, a closed connection too, and what waited is not forgotten', async (t) => {
  const connection = await open(TEST_DRIVER)
  const calls = Array.from({ length: 600 }, () => codeOf(connection.capabilities(20_000)))
  connection.close()
  const after = codeOf(connection.hostname(1_000))
  const answers = (await Promise.all([...calls, after])).map(String)
  t.is(answers.length, 601)
  t.is(answers.at(-1), 'VIR_CLOSED,0')
  const kinds = new Set(answers)
  t.true(kinds.has('VIR_BUSY,0') && kinds.has('VIR_CLOSED,0'))
  t.deepEqual(
    [...kinds].toSorted().filter((kind) => kind !== 'no error'),
    ['VIR_BUSY,0', 'VIR_CLOSED,0'],
  )
})
