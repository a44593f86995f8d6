import type { PacketExplanation, PacketQuestion } from '@purlin/schema'
import type { Packet } from '../packet.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import { protocolNumbers, protocolWord } from '../policy/protocol.ts'
import { isEstablished, readQuestion, shownNic, verdictOf } from './question.ts'
import { smallestChange } from './smallest-change.ts'
import { type EndVerdict, type VerdictBetween, verdictBetween } from './verdict-between.ts'

/** Answers whether a packet passes, which rule of which end decides, why each earlier rule did not
 *  match, and what would let it pass. An ICMP question without a type is a ping. A packet of an
 *  established flow passes when the flow could begin, from either end. Pure.
 *  Errors: PUR_INVALID, naming what is known. */
export function explainPacket(
  desired: NetfilterDesired,
  question: PacketQuestion,
): PacketExplanation {
  const { from, to, packet } = readQuestion(desired, question)
  const answer = verdictBetween(desired, from.nic, to.nic, packet)
  const established = isEstablished(desired, question, from, to, packet, answer)
  const short = verdictOf(answer, established)
  const changes =
    short.verdict === 'deny' ? smallestChange(desired, from.nic, to.nic, packet) : undefined
  return {
    ...short,
    ends: answer.ends.map(shownEnd),
    ...(changes && { smallestChange: [...changes] }),
    sentence: sentence(question, packet, answer, established),
  }
}

function shownEnd(end: EndVerdict): PacketExplanation['ends'][number] {
  const id = end.rule?.provenance.id
  return {
    nic: shownNic(end),
    direction: end.direction,
    verdict: end.verdict,
    decidedBy: { ...end.decidedBy, ...(id !== undefined && { id }) },
    walk: end.steps.map(({ provenance, matched, why }) => ({ ...provenance, matched, why })),
  }
}

function sentence(
  question: PacketQuestion,
  packet: Packet,
  answer: VerdictBetween,
  established: boolean,
): string {
  const { icmp, destinationPort } = packet
  const portText = destinationPort === undefined ? '' : ` port ${destinationPort}`
  const detail = icmp === undefined ? portText : ` type ${icmp.type}`
  const protocol =
    packet.protocol === protocolNumbers.icmpv6 ? 'icmp' : protocolWord(packet.protocol)
  const flow = `${question.from} -> ${question.to} ${packet.family} ${protocol}${detail}`
  if (established) return `${flow}: allow, it belongs to an allowed flow`
  return `${flow}: ${answer.verdict}, ${reason(answer)}`
}

function reason({ deciding, decidedBy }: VerdictBetween): string {
  if (deciding === undefined) return 'neither end is a filtered NIC'
  const place = `${deciding.direction} list of ${shownNic(deciding)}`
  switch (decidedBy.type) {
    case 'rule':
      return `by rule ${decidedBy.priority} of group ${decidedBy.group} in the ${place}`
    case 'members':
      return `by the members rule of group ${decidedBy.group} in the ${place}`
    case 'default':
      return `no rule matched in the ${place}, so its default policy decides`
    case 'unfiltered':
      return `${shownNic(deciding)} has no security groups`
    case 'builtIn':
      return `it is traffic that always passes (${deciding.open?.name ?? 'built in'})`
    case 'established':
      return 'it belongs to an allowed flow'
  }
}
