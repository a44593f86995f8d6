import { randomBytes } from 'node:crypto'
import { PurlinError, type RandomBytes } from '@purlin/base'
import type { PacketExplanation, PacketQuestion } from '@purlin/schema'
import { explainPacket } from '../analyse/explain.ts'
import { type ReadQuestion, readQuestion, shownNic } from '../analyse/question.ts'
import { type EndVerdict, verdictBetween } from '../analyse/verdict-between.ts'
import { hasPorts, type Packet } from '../packet.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import { expectedRule, isExpected } from './expected-rule.ts'
import { decidingRule } from './kernel-rule.ts'
import { NONCE_BYTES, type ProbeFrame, probeFrame } from './probe-frame.ts'
import { readTrace, shownStep, shownTrace } from './read-trace.ts'
import { type ProbeOptions, type ProbeTrace, traceProbe } from './trace-probe.ts'

export interface LiveOptions extends ProbeOptions {
  readonly random?: RandomBytes
}

type Live = NonNullable<PacketExplanation['live']>
type LiveEnd = NonNullable<PacketExplanation['ends'][number]['live']>

const PROBES_MAX = 4
/** How often a packet is sent anew because the rules were replaced under it. */
const TRIES_MAX = 5
let probes = 0

/** The same as `explainPacket`, and beside each end what the kernel of this host does with such a
 *  packet: one is sent in where the NIC's packets come in, followed by the kernel's own trace, and
 *  dropped before anybody gets it. Errors: PUR_INVALID (also for a packet of an established flow,
 *  and where a port is missing), PUR_LIVE_BUSY, PUR_CANCELLED. What keeps an end from being traced
 *  is told in its `live`. */
export async function explainPacketLive(
  desired: NetfilterDesired,
  question: PacketQuestion,
  options: LiveOptions,
): Promise<PacketExplanation> {
  refuseEstablished(question)
  const explanation = explainPacket(desired, question)
  const read = readQuestion(desired, question)
  const { from, to } = read
  const packet = withSourcePort(read.packet, options.random ?? randomBytes)
  const { ends } = verdictBetween(desired, from.nic, to.nic, packet)
  const frames = ends.map((end) => frameFor(end, read, packet, options.random ?? randomBytes))
  if (probes >= PROBES_MAX) {
    const message = `${PROBES_MAX} packets are being traced on this host already; ask again`
    throw new PurlinError('PUR_LIVE_BUSY', { message })
  }
  probes++
  try {
    const lives: LiveEnd[] = []
    // One after the other: an end's frame is in its own bridge only, but traces cost every packet.
    for (const [index, end] of ends.entries()) {
      const frame = frames[index]
      if (frame !== undefined) lives.push(await liveEnd(end, frame, options))
    }
    return {
      ...explanation,
      ends: explanation.ends.map((end, index) => {
        const live = lives[index]
        return live === undefined ? end : { ...end, live }
      }),
      live: summary(question, read, ends, lives),
    }
  } finally {
    probes--
  }
}

function refuseEstablished({ state }: PacketQuestion): void {
  if (state !== 'established') return
  const message =
    'only the first packet of a flow can be sent: whether one belongs to a flow is for connection tracking to say'
  throw new PurlinError('PUR_INVALID', {
    message: `state: ${message}`,
    problems: [{ path: 'state', message }],
  })
}

/** A flow's own end has a port of those that programs are given. */
function withSourcePort(packet: Packet, random: RandomBytes): Packet {
  if (!hasPorts(packet.protocol) || packet.sourcePort !== undefined) return packet
  const [high = 0, low = 0] = random(2)
  return { ...packet, sourcePort: 0xc000 | ((high << 8) | low) }
}

/** What the NIC sends has its own MAC, or its guards would rightly drop it; lists look at none. */
function frameFor(
  { nic, direction }: EndVerdict,
  { to }: ReadQuestion,
  packet: Packet,
  random: RandomBytes,
): ProbeFrame {
  const stranger = localMac(random)
  const macs =
    direction === 'outbound'
      ? { sourceMac: nic.mac, destinationMac: to.nic?.mac ?? stranger }
      : { sourceMac: stranger, destinationMac: nic.mac }
  return probeFrame(packet, macs, Uint8Array.from(random(NONCE_BYTES)))
}

/** A MAC that no device has: locally administered, random. */
function localMac(random: RandomBytes): string {
  const rest = [...random(5)].map((byte) => byte.toString(16).padStart(2, '0'))
  return ['02', ...rest].join(':')
}

async function liveEnd(end: EndVerdict, frame: ProbeFrame, options: LiveOptions): Promise<LiveEnd> {
  const { tap, inner } = end.nic
  const device = end.direction === 'outbound' ? tap : inner
  for (let tries = 1; ; tries++) {
    try {
      const trace = await traceProbe(device, frame, options)
      return await judged(end, device, frame.packet, trace, options)
    } catch (thrown) {
      options.signal.throwIfAborted()
      if (!(thrown instanceof PurlinError)) throw thrown
      if (thrown.code === 'PUR_NFT_CONCURRENT' && tries < TRIES_MAX) continue
      return { traced: false, reason: thrown.message, trace: [] }
    }
  }
}

async function judged(
  end: EndVerdict,
  device: string,
  packet: Packet,
  { steps, table, notes }: ProbeTrace,
  { signal }: LiveOptions,
): Promise<LiveEnd> {
  const trace = [...shownTrace(steps, table, notes)]
  const answer = readTrace(steps, table)
  if (answer === undefined) {
    const where = steps.length === 0 ? `did not come into a bridge at ${device}` : 'was lost on it'
    const reason = `the packet ${where}: the NIC's way (${end.nic.tap}, its bridge, ${end.nic.inner}) does not stand, or its machine does not run`
    return { traced: false, reason, trace }
  }
  const { verdict, decider } = answer
  if (decider === undefined) {
    const decidedBy = { table: '', chain: '' }
    return { traced: true, verdict, agrees: false, decidedBy, trace }
  }
  const shown = shownStep(decider, notes)
  const rule = (await decidingRule(decider, steps, notes, packet, signal)) ?? shown.rule
  const decidedBy = { table: shown.table, chain: shown.chain, ...(rule && { rule }) }
  const agrees = verdict === end.verdict && isExpected(decidedBy, expectedRule(end))
  return { traced: true, verdict, decidedBy, agrees, trace }
}

/** What all ends together say, and which are none of this host's. */
function summary(
  question: PacketQuestion,
  { from, to }: ReadQuestion,
  ends: readonly EndVerdict[],
  lives: readonly LiveEnd[],
): Live {
  const elsewhere = [
    { end: question.from, nic: from.nic },
    { end: question.to, nic: to.nic },
  ].flatMap(({ end, nic }) =>
    nic === undefined ? [{ end, reason: 'it is no NIC of this host' }] : [],
  )
  const untraced = lives.flatMap((live, index) => {
    const end = ends[index]
    if (live.traced || end === undefined) return []
    return [{ end: `${shownNic(end)} ${end.direction}`, reason: live.reason }]
  })
  const disagrees = lives.some((live) => live.traced && !live.agrees)
  const isWhole = lives.length > 0 && untraced.length === 0
  return {
    outcome: disagrees ? 'disagrees' : isWhole ? 'agrees' : 'untraced',
    untraced: [...elsewhere, ...untraced],
  }
}
