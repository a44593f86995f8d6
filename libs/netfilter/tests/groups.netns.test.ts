import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { LoggedFlow } from '../src/observe/logged-flow.ts'
import type { NetfilterDesired } from '../src/policy/desired.ts'
import { desiredOf, sampleGroup, sampleNic } from '../src/testing/sample.ts'
import { enforce, newDriver } from './support/enforce.ts'
import { eventually } from './support/eventually.ts'
import { type Lab, startLab } from './support/lab.ts'
import { startPings } from './support/ping.ts'

const driver = newDriver()
const calm = new AbortController().signal
/** Several pings, also on a busy machine. */
const PINGS_MS = 400
let lab: Lab

const both = (rule: object): object[] =>
  ['ipv4', 'ipv6'].map((family) => ({ family, action: 'allow', ...rule }))
const fromGroup = (group: string): object => ({ source: { groups: [group] } })

/** Outside (a, no groups), and three tiers of which each lets in only the one before it. */
const tiers: NetfilterDesired = desiredOf(
  [sampleNic('a', []), sampleNic('b', ['web']), sampleNic('c', ['app']), sampleNic('d', ['db'])],
  {
    web: sampleGroup({
      inbound: [...both({ protocol: 'tcp', ports: ['80'] }), ...both({ protocol: 'icmp' })],
    }),
    app: sampleGroup({
      inbound: [
        ...both({ protocol: 'tcp', ports: ['3000'], ...fromGroup('web') }),
        ...both({ protocol: 'udp', ports: ['5353'], ...fromGroup('web') }),
      ],
    }),
    db: sampleGroup({ inbound: both({ protocol: 'tcp', ports: ['1500'], ...fromGroup('app') }) }),
  },
)

test.before(async () => {
  await enforce(driver, tiers)
  lab = await startLab(tiers.nics)
})

test.after.always(async () => {
  await lab.stop()
})

type Kind = 'tcp' | 'udp'
type Flow = readonly [from: string, to: string, kind: Kind, port: number, passes: boolean]

const addressOf = (letter: string, family: 'ipv4' | 'ipv6'): string =>
  sampleNic(letter, [])[family][0] ?? ''

/** Asks, and asks again where a "yes" is due. */
async function reaches([from, to, kind, port, passes]: Flow, family: 'ipv4' | 'ipv6') {
  const once = (): Promise<boolean> => lab.machine(from)[kind](addressOf(to, family), port)
  return passes ? await eventually(once) : await once()
}

async function answersOf(flows: readonly Flow[]): Promise<Record<string, boolean>> {
  const asked = flows.flatMap((flow) =>
    (['ipv4', 'ipv6'] as const).map((one) => [flow, one] as const),
  )
  const answers = await Promise.all(
    asked.map(async ([flow, family]) => {
      const [from, to, kind, port] = flow
      return [`${from} -> ${to} ${kind} ${port} ${family}`, await reaches(flow, family)] as const
    }),
  )
  return Object.fromEntries(answers)
}

function expectedOf(flows: readonly Flow[]): Record<string, boolean> {
  return Object.fromEntries(
    flows.flatMap(([from, to, kind, port, passes]) =>
      ['ipv4', 'ipv6'].map((family) => [`${from} -> ${to} ${kind} ${port} ${family}`, passes]),
    ),
  )
}

/** Whether pings of each family are answered; where they are to be, answers are waited for. */
async function pinged(
  from: string,
  to: string,
  passes: boolean,
): Promise<{ ipv4: boolean; ipv6: boolean }> {
  const { answered, stop } = startPings(lab.machine(from), sampleNic(from, []), sampleNic(to, []))
  for (let tries = passes ? 12 : 1; tries > 0; tries--) {
    await sleep(PINGS_MS)
    if (answered.ipv4 > 0 && answered.ipv6 > 0) break
  }
  await stop()
  return { ipv4: answered.ipv4 > 0, ipv6: answered.ipv6 > 0 }
}

test.serial('Web, App and DB: each tier is reached from the one before it alone', async (t) => {
  const flows: readonly Flow[] = [
    ['a', 'b', 'tcp', 80, true],
    ['a', 'b', 'tcp', 22, false],
    ['a', 'c', 'tcp', 3000, false],
    ['b', 'c', 'tcp', 3000, true],
    ['b', 'c', 'udp', 5353, true],
    ['a', 'c', 'udp', 5353, false],
    ['b', 'd', 'tcp', 1500, false],
    ['c', 'd', 'tcp', 1500, true],
    ['d', 'c', 'tcp', 3000, false],
  ]
  t.deepEqual(await answersOf(flows), expectedOf(flows))
  t.deepEqual(await pinged('a', 'b', true), { ipv4: true, ipv6: true })
  t.deepEqual(await pinged('a', 'c', false), { ipv4: false, ipv6: false })
})

const ssh = { protocol: 'tcp', ports: ['22'] }
const shared = {
  web: sampleGroup({
    allowWithinGroup: false,
    inbound: [...both({ protocol: 'tcp', ports: ['80'] }), ...both({ ...ssh, action: 'deny' })],
  }),
  ops: sampleGroup({
    allowWithinGroup: false,
    inbound: [
      ...both(ssh),
      ...both({ protocol: 'udp', ports: ['5353'] }),
      ...both({ protocol: 'icmp' }),
    ],
  }),
}

for (const order of [
  ['web', 'ops'],
  ['ops', 'web'],
]) {
  const opsFirst = order[0] === 'ops'
  test.serial(
    `Ops as a second group: with ${order.join(' before ')} the earlier decides`,
    async (t) => {
      const nics = [
        sampleNic('a', []),
        sampleNic('b', order),
        sampleNic('c', []),
        sampleNic('d', []),
      ]
      await enforce(driver, desiredOf(nics, shared))
      const flows: readonly Flow[] = [
        ['a', 'b', 'tcp', 22, opsFirst],
        ['a', 'b', 'tcp', 80, true],
        ['a', 'b', 'udp', 5353, true],
        ['a', 'b', 'tcp', 443, false],
      ]
      t.deepEqual(await answersOf(flows), expectedOf(flows))
      t.deepEqual(await pinged('a', 'b', true), { ipv4: true, ipv6: true })
    },
  )
}

for (const allowWithinGroup of [true, false]) {
  const title = `members ${allowWithinGroup ? 'reach each other' : 'are strangers with the members rule off'}`
  test.serial(title, async (t) => {
    const nics = ['a', 'b', 'c', 'd'].map((letter) => sampleNic(letter, letter < 'c' ? ['g'] : []))
    await enforce(driver, desiredOf(nics, { g: sampleGroup({ allowWithinGroup }) }))
    const flows: readonly Flow[] = [
      ['a', 'b', 'tcp', 80, allowWithinGroup],
      ['b', 'a', 'udp', 5353, allowWithinGroup],
      ['c', 'b', 'tcp', 80, false],
    ]
    t.deepEqual(await answersOf(flows), expectedOf(flows))
    const answered = { ipv4: allowWithinGroup, ipv6: allowWithinGroup }
    t.deepEqual(await pinged('a', 'b', allowWithinGroup), answered)
  })
}

test.serial('what rules have decided is counted by rule and direction', async (t) => {
  await enforce(driver, tiers)
  const before = await driver.hits(calm)
  const packetsOf = (hits: typeof before, direction: string, id: string): bigint =>
    hits.find((one) => one.direction === direction && one.id === id)?.packets ?? 0n
  const flows: readonly Flow[] = [
    ['a', 'b', 'tcp', 80, true],
    ['a', 'b', 'tcp', 22, false],
  ]
  t.deepEqual(await answersOf(flows), expectedOf(flows))
  const after = await driver.hits(calm)
  const gained = (direction: string, id: string): bigint =>
    packetsOf(after, direction, id) - packetsOf(before, direction, id)
  t.true(gained('inbound', 'web/inbound/0') > 0n)
  t.true(gained('inbound', 'web/inbound/1') > 0n)
  t.true(gained('inbound', 'default') > 0n)
  t.is(gained('inbound', 'app/inbound/0'), 0n)
})

test.serial('a rule that logs tells of new flows: NIC, rule, verdict and both ends', async (t) => {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const logged = desiredOf(
    tiers.nics.map((nic) => ({
      ...nic,
      groups: nic.port === 'b.eth0' ? ['web'] : [],
      filtered: nic.port === 'b.eth0',
    })),
    {
      web: sampleGroup({
        inbound: [
          ...both({ protocol: 'tcp', ports: ['80'], log: true }),
          ...both({ protocol: 'tcp', ports: ['22'], action: 'deny', log: true }),
        ],
      }),
    },
  )
  await enforce(driver, logged)
  const heard: LoggedFlow[] = []
  await driver.watchLogs(
    () => logged,
    (flow) => heard.push(flow),
    stop.signal,
  )
  const flows: readonly Flow[] = [
    ['a', 'b', 'tcp', 80, true],
    ['a', 'b', 'tcp', 22, false],
  ]
  t.deepEqual(await answersOf(flows), expectedOf(flows))
  for (let tries = 40; tries > 0 && heard.length < 4; tries--) await sleep(50)
  const told = heard.map(({ port, direction, rule, verdict }) =>
    [port, direction, rule, verdict].join(' '),
  )
  t.deepEqual([...new Set(told)].toSorted(), [
    'b.eth0 inbound web/inbound/0 allow',
    'b.eth0 inbound web/inbound/1 allow',
    'b.eth0 inbound web/inbound/2 deny',
    'b.eth0 inbound web/inbound/3 deny',
  ])
  const shown = heard.find(({ rule }) => rule === 'web/inbound/2')?.sentence ?? ''
  t.regex(
    shown,
    /^b\/eth0 inbound: tcp 10\.9\.0\.10:\d+ -> 10\.9\.0\.11:22: deny by web\/inbound\/2$/,
  )
})
