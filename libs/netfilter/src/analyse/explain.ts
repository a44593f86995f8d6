import type { PacketExplanation, PacketQuestion } from '@purlin/schema'
import type { Packet } from '../packet.ts'
import { reversed } from '../packet.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import { protocolNumber, protocolNumbers, protocolWord } from '../policy/protocol.ts'
import { type End, familyOf, resolveEnd } from './ends.ts'
import { type EndVerdict, type VerdictBetween, verdictBetween } from './verdict-between.ts'

/** Answers whether a packet passes, which rule of which end decides, and why each earlier rule
 *  did not match. An ICMP question without a type is a ping. A packet of an established flow
 *  passes when the flow could begin, from either end. Pure.
 *  Errors: PUR_INVALID, naming what is known. */
export function explainPacket(
  desired: NetfilterDesired,
  question: PacketQuestion,
): PacketExplanation {
  const family = familyOf(question.family, question.from, question.to)
  const from = resolveEnd(desired, 'from', question.from, family)
  const to = resolveEnd(desired, 'to', question.to, family)
  const packet = packetOf(question, from, to)
  const answer = verdictBetween(desired, from.nic, to.nic, packet)
  const established =
    question.state === 'established' &&
    (answer.verdict === 'allow' ||
      verdictBetween(desired, to.nic, from.nic, reversed(packet)).verdict === 'allow')
  const deciding = answer.deciding
  const decidedBy = established ? { type: 'established' as const } : { ...answer.decidedBy }
  return {
    verdict: established ? 'allow' : answer.verdict,
    decidedBy: {
      ...decidedBy,
      ...(deciding && { nic: shownNic(deciding), direction: deciding.direction }),
    },
    ends: answer.ends.map(shownEnd),
    sentence: sentence(question, packet, answer, established),
  }
}

function packetOf(question: PacketQuestion, from: End, to: End): Packet {
  const family = from.address.family
  const protocol = Number(protocolNumber(question.protocol, family))
  const isIcmp = protocol === protocolNumber('icmp', family)
  const echoRequest = family === 'ipv4' ? 8 : 128
  return {
    family,
    source: from.address.value,
    destination: to.address.value,
    protocol,
    sourcePort: question.sourcePort,
    destinationPort: question.destinationPort,
    icmp: isIcmp
      ? { type: question.icmpType ?? echoRequest, code: question.icmpCode ?? 0 }
      : undefined,
  }
}

function shownNic(end: EndVerdict): string {
  return end.nic.port.replace('.', '/')
}

function shownEnd(end: EndVerdict): PacketExplanation['ends'][number] {
  return {
    nic: shownNic(end),
    direction: end.direction,
    verdict: end.verdict,
    decidedBy: { ...end.decidedBy },
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
      return `it is traffic that always passes (addresses, neighbours, listeners)`
  }
}
