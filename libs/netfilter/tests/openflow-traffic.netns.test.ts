import { parseAddress } from '@purlin/base'
import test from 'ava'
import { flatten } from '../src/flatten.ts'
import { interpret } from '../src/interpret.ts'
import type { Packet } from '../src/packet.ts'
import type { NetfilterDesired } from '../src/policy/desired.ts'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from '../src/testing/sample.ts'
import { ask, type Question } from './support/ask.ts'
import { eventually } from './support/eventually.ts'
import { type OpenflowLab, startOpenflowLab } from './support/openflow-lab.ts'

type Family = 'ipv4' | 'ipv6'

const LETTERS = ['a', 'b', 'c', 'd', 'e']
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']
const PROBES: readonly Omit<Question, 'address'>[] = [
  ...[9, 22, 80, 1500, 2500, 3500].map((port) => ({ protocol: 'tcp', port }) as const),
  ...[54, 5353].map((port) => ({ protocol: 'udp', port }) as const),
  { protocol: 'icmp', port: 0 },
]
/** A busy host may lose time, never a packet for good: a "yes" may take several askings. */
const ASKINGS = 5
const ANSWER_WAIT_MS = 1_000
let lab: OpenflowLab

test.before(async () => {
  lab = await startOpenflowLab()
})

test.after.always(async () => {
  await lab.stop()
})

function addressOf(letter: string, family: Family): string {
  return sampleNic(letter, [])[family][0] ?? ''
}

interface Flow extends Question {
  readonly to: string
  readonly family: Family
}

function packetOf(from: string, { address, family, protocol, port }: Flow): Packet {
  const value = (text: string): bigint => parseAddress(text)?.value ?? 0n
  const ends = { family, source: value(addressOf(from, family)), destination: value(address) }
  if (protocol === 'icmp') {
    const icmp = { type: family === 'ipv4' ? 8 : 128, code: 0 }
    return { ...ends, protocol: family === 'ipv4' ? 1 : 58, icmp }
  }
  const number = protocol === 'tcp' ? 6 : 17
  return { ...ends, protocol: number, sourcePort: 40_000, destinationPort: port }
}

/** What both ends' lists say; the machine outside has none. */
function expected(desired: NetfilterDesired, from: string, to: string, packet: Packet): boolean {
  const passes = (letter: string, direction: 'inbound' | 'outbound'): boolean => {
    const nic = desired.nics.find(({ port }) => port === `${letter}.eth0`)
    return nic === undefined || interpret(flatten(nic, direction, desired), packet) === 'allow'
  }
  return passes(from, 'outbound') && passes(to, 'inbound')
}

/** Every machine asks all others at once; the flows that the interpreter decides otherwise. */
async function differences(desired: NetfilterDesired): Promise<{ sent: number; found: string[] }> {
  await lab.load(desired)
  const parts = await Promise.all(LETTERS.map((from) => differencesFrom(desired, from)))
  return {
    sent: parts.reduce((sum, part) => sum + part.sent, 0),
    found: parts.flatMap((part) => part.found),
  }
}

async function differencesFrom(
  desired: NetfilterDesired,
  from: string,
): Promise<{ sent: number; found: string[] }> {
  const flows = LETTERS.filter((to) => to !== from).flatMap((to) =>
    FAMILIES.flatMap((family) =>
      PROBES.map((probe): Flow => ({ ...probe, to, family, address: addressOf(to, family) })),
    ),
  )
  const wanted = (flow: Flow): boolean => expected(desired, from, flow.to, packetOf(from, flow))
  const found: string[] = []
  let open = flows
  for (let asking = 0; asking < ASKINGS && open.length > 0; asking++) {
    const answers = await ask(lab.machine(from).namespace, open, ANSWER_WAIT_MS)
    const wrong = open.filter((flow, index) => wanted(flow) !== answers[index])
    // A "yes" that must not be is final.
    const passed = wrong.filter((flow) => !wanted(flow))
    found.push(...passed.map((flow) => `${from}: passed ${JSON.stringify(flow)}`))
    open = wrong.filter(wanted)
  }
  found.push(...open.map((flow) => `${from}: dropped ${JSON.stringify(flow)}`))
  return { sent: flows.length, found }
}

test.serial('TCP, UDP and ping of both families: every verdict is the interpreter’s', async (t) => {
  const { sent, found } = await differences(sampleDesired)
  t.log(`${sent} flows, ${found.length} differences`)
  t.deepEqual(found, [])
})

test.serial('the order of a NIC’s groups decides', async (t) => {
  const nics = ['a', 'b', 'c', 'd'].map((letter) =>
    sampleNic(letter, letter === 'b' ? ['ops', 'web'] : ['web']),
  )
  const { sent, found } = await differences({ ...sampleDesired, nics })
  t.log(`${sent} flows, ${found.length} differences`)
  t.deepEqual(found, [])
})

test.serial("one switch: the sender's allow does not skip the receiver's list", async (t) => {
  const everywhere = { family: 'ipv4', protocol: 'all', action: 'allow' }
  const desired = desiredOf([sampleNic('a', ['open']), sampleNic('b', ['shut'])], {
    open: sampleGroup({ outbound: [everywhere] }),
    shut: sampleGroup({ inbound: [{ ...everywhere, protocol: 'tcp', action: 'deny' }] }),
  })
  await lab.load({ ...desired, nics: [...desired.nics, sampleNic('c', []), sampleNic('d', [])] })
  t.false(await lab.machine('a').tcp('10.9.0.11', 80))
  t.false(await lab.machine('e').tcp('10.9.0.11', 80))
  let reached = false
  for (let tries = ASKINGS; tries > 0 && !reached; tries--) {
    reached = await lab.machine('b').tcp('10.9.0.12', 80)
  }
  t.true(reached)
})

test.serial('answers and ICMP errors of allowed flows come back', async (t) => {
  await lab.load(sampleDesired)
  for (const address of ['10.9.0.12', 'fd09::c']) {
    t.true(await eventually(() => lab.machine('b').hold(address, 80)), address)
    t.true(await eventually(() => lab.machine('b').refusal(address, 99)), address)
  }
  t.false(await lab.machine('c').refusal('10.9.0.11', 99))
})

test.serial('a new set of flows leaves an established connection in place', async (t) => {
  await lab.load(sampleDesired)
  let held = false
  for (let tries = ASKINGS; tries > 0 && !held; tries--) {
    const connection = lab.machine('c').hold('10.9.0.11', 80)
    await lab.load(sampleDesired)
    held = await connection
  }
  t.true(held)
})
