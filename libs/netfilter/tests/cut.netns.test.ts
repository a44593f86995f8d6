import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { openNetfilterSocket } from '../src/netlink/index.ts'
import type { NetfilterDesired } from '../src/policy/desired.ts'
import { desiredOf, sampleGroup, sampleNic } from '../src/testing/sample.ts'
import { enforce, newDriver, planned } from './support/enforce.ts'
import { eventually } from './support/eventually.ts'
import { host, type Lab, startLab } from './support/lab.ts'
import { startPings } from './support/ping.ts'

const B = { ipv4: '10.9.0.11', ipv6: 'fd09::b' }
const SPEAKING = 8080
const ECHO = 5353
/** Several beats of every flow, also on a busy machine. */
const LISTEN_MS = 400
const SETTLE_MS = 250

const driver = newDriver()
let lab: Lab

const both = (rule: object): object[] =>
  ['ipv4', 'ipv6'].map((family) => ({ family, action: 'allow', ...rule }))
const tcp = both({ protocol: 'tcp', ports: [String(SPEAKING)] })
const udp = both({ protocol: 'udp', ports: [String(ECHO)] })
const ping = [
  { family: 'ipv4', protocol: 'icmp', action: 'allow', icmp: { type: 8 } },
  { family: 'ipv6', protocol: 'icmp', action: 'allow', icmp: { type: 128 } },
]

/** Machine b behind a group of these rules; a and d without groups; c may only answer. */
function policy(inbound: readonly object[], rest: object = {}): NetfilterDesired {
  return desiredOf(
    [
      sampleNic('a', []),
      sampleNic('b', ['server']),
      { ...sampleNic('c', ['quiet']), defaultPolicy: { inbound: 'deny', outbound: 'allow' } },
      sampleNic('d', []),
    ],
    {
      server: sampleGroup({ allowWithinGroup: false, inbound, ...rest }),
      quiet: sampleGroup({ allowWithinGroup: false }),
    },
  )
}

test.before(async () => {
  await enforce(driver, policy([...tcp, ...udp, ...ping]))
  lab = await startLab(policy([]).nics)
})

test.after.always(async () => {
  await lab.stop()
})

/** Whether words are still heard on each of machine's flows. On a busy host a word may be late, so
 *  where nothing is heard it is listened for longer. */
async function alive(machine: string, flows: readonly string[]): Promise<Record<string, boolean>> {
  await sleep(SETTLE_MS)
  const count = async (): Promise<readonly number[]> =>
    await Promise.all(flows.map((flow) => lab.machine(machine).heard(flow)))
  const before = await count()
  let after = before
  for (let tries = 3; tries > 0; tries--) {
    await sleep(LISTEN_MS)
    after = await count()
    if (after.every((words, at) => words > (before[at] ?? 0))) break
  }
  return Object.fromEntries(flows.map((flow, at) => [flow, (after[at] ?? 0) > (before[at] ?? 0)]))
}

const flowsOf = (round: string): Readonly<Record<string, readonly ['tcp' | 'udp', string]>> => ({
  [`${round} tcp4`]: ['tcp', B.ipv4],
  [`${round} tcp6`]: ['tcp', B.ipv6],
  [`${round} udp4`]: ['udp', B.ipv4],
  [`${round} udp6`]: ['udp', B.ipv6],
})

/** Begins a long flow of each kind and family from a machine to b; gives their names. */
async function beginAll(machine: string, round: string): Promise<readonly string[]> {
  const flows = Object.entries(flowsOf(`${machine} ${round}`))
  for (const [name, [kind, address]] of flows) {
    const port = kind === 'tcp' ? SPEAKING : ECHO
    const began = await eventually(() => lab.machine(machine).begin(name, kind, address, port))
    if (!began) throw new Error(`${name}: nothing heard`)
  }
  return flows.map(([name]) => name)
}

test.serial(
  'connections that a change refuses end for good, at both ends; no other flow does',
  async (t) => {
    const all = policy([...tcp, ...udp, ...ping])
    await enforce(driver, all)
    const ofC = await beginAll('c', 'one')
    const ofA = await beginAll('a', 'one')
    await enforce(driver, policy([...udp, ...ping]))
    const answers = { ...(await alive('c', ofC)), ...(await alive('a', ofA)) }
    const expected = [...ofC, ...ofA].map((flow) => [flow, flow.includes('udp')])
    t.deepEqual(answers, Object.fromEntries(expected))
    // The server has gone on speaking all the time: what it says must not open them again.
    await sleep(500)
    t.deepEqual(await alive('c', ofC), Object.fromEntries(expected.slice(0, ofC.length)))
    await enforce(driver, policy([...tcp, ...ping]))
    const udpOver = await alive('c', ofC)
    t.true(Object.entries(udpOver).every(([flow, heard]) => flow.includes('tcp') || !heard))
  },
)

test.serial('a ping that a change refuses is not answered any more; others are', async (t) => {
  await enforce(driver, policy([...tcp, ...udp, ...ping]))
  const [c, b] = policy([])
    .nics.filter(({ port }) => /^[bc]/.test(port))
    .toReversed()
  t.truthy(c && b)
  if (!c || !b) return
  const pings = startPings(lab.machine('c'), c, b)
  const { answered } = pings
  try {
    const count = async (): Promise<{ ipv4: boolean; ipv6: boolean }> => {
      await sleep(SETTLE_MS)
      const before = { ...answered }
      for (let tries = 3; tries > 0; tries--) {
        await sleep(LISTEN_MS)
        if (answered.ipv4 > before.ipv4 && answered.ipv6 > before.ipv6) break
      }
      return { ipv4: answered.ipv4 > before.ipv4, ipv6: answered.ipv6 > before.ipv6 }
    }
    t.deepEqual(await count(), { ipv4: true, ipv6: true })
    await enforce(driver, policy([...tcp, ...udp, ...ping.slice(1)]))
    t.deepEqual(await count(), { ipv4: false, ipv6: true })
  } finally {
    await pings.stop()
  }
})

test.serial('with keepEstablished a group lets go on what its change refuses', async (t) => {
  const kept = { keepEstablished: true }
  await enforce(driver, policy([...tcp, ...udp], kept))
  const flows = await beginAll('c', 'kept')
  await enforce(driver, policy([...udp], kept))
  const expected = Object.fromEntries(flows.map((flow) => [flow, true]))
  t.deepEqual(await alive('c', flows), expected)
  t.false(await lab.machine('c').tcp(B.ipv4, SPEAKING))
  // Another change of the same group does not end them either; taking the group away does.
  await enforce(driver, policy([...both({ protocol: 'tcp', ports: ['9'] }), ...udp], kept))
  t.deepEqual(await alive('c', flows), expected)
})

/** An entry as of a flow to b, but in the host's own zone or another one. */
async function strangersEntry(...zone: readonly string[]): Promise<void> {
  const ends = ['-p', 'tcp', '-s', '10.9.0.12', '-d', B.ipv4, '--sport', '5', '--dport', '8080']
  const state = ['--state', 'ESTABLISHED', '-u', 'SEEN_REPLY', '-t', '300']
  await host('conntrack', '-I', ...zone, ...ends, ...state)
}

test.serial('entries that are not of the NICs stay, whatever their addresses', async (t) => {
  await enforce(driver, policy([...tcp, ...udp]))
  await strangersEntry()
  await strangersEntry('-w', '40000')
  const flows = await beginAll('c', 'strangers')
  await enforce(driver, policy([]))
  const alike = await alive('c', flows)
  t.true(Object.values(alike).every((heard) => !heard))
  const socket = openNetfilterSocket()
  t.teardown(() => socket.close())
  const left = await socket.listConnections({ zones: new Set([0, 40_000]) })
  t.deepEqual(
    left
      .filter(({ original }) => original.sourcePort === 5)
      .map(({ zone }) => zone)
      .toSorted(),
    [0, 40_000],
  )
})

test.serial('what an interrupted change refuses ends when the next driver settles', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cut-'))
  t.teardown(async () => await rm(folder, { recursive: true, force: true }))
  const restoreFile = join(folder, 'restore.nft')
  await enforce(newDriver({ restoreFile }), policy([...tcp, ...udp]))
  const flows = await beginAll('c', 'interrupted')
  const dying = newDriver({
    restoreFile,
    openSocket: () => ({
      ...openNetfilterSocket(),
      listConnections: async () => {
        throw new Error('killed here')
      },
    }),
  })
  await t.throwsAsync(enforce(dying, policy(udp)), { message: /killed here/ })
  t.true(Object.values(await alive('c', flows)).every(Boolean))
  const next = newDriver({ restoreFile })
  t.deepEqual(await planned(next, policy(udp)), [
    'end the connections that the rules refuse; write the rules down for the next boot',
  ])
  await enforce(next, policy(udp))
  const expected = Object.fromEntries(flows.map((flow) => [flow, flow.includes('udp')]))
  t.deepEqual(await alive('c', flows), expected)
})
