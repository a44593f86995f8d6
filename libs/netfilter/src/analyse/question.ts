import type { PacketQuestion, PacketVerdict } from '@purlin/schema'
import { type Packet, reversed } from '../packet.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import { protocolNumber } from '../policy/protocol.ts'
import { type End, familyOf, resolveEnd } from './ends.ts'
import {
  briefWalk,
  type EndVerdict,
  type VerdictBetween,
  verdictBetween,
} from './verdict-between.ts'

/** A question with its ends found. `packet` is the first of its flow, whatever the state asked. */
export interface ReadQuestion {
  readonly from: End
  readonly to: End
  readonly packet: Packet
}

/** Finds the ends of a question and the packet it speaks of. An ICMP question without a type is a
 *  ping. Pure. Errors: PUR_INVALID, naming what is known. */
export function readQuestion(desired: NetfilterDesired, question: PacketQuestion): ReadQuestion {
  const family = familyOf(question.family, question.from, question.to)
  const from = resolveEnd(desired, 'from', question.from, family)
  const to = resolveEnd(desired, 'to', question.to, family)
  return { from, to, packet: packetOf(question, from, to) }
}

/** Whether the packet passes, and what decided, without the way there. A packet of an established
 *  flow passes when the flow could begin, from either end. Pure. Errors: as `readQuestion`. */
export function answerPacket(desired: NetfilterDesired, question: PacketQuestion): PacketVerdict {
  const { from, to, packet } = readQuestion(desired, question)
  const answer = verdictBetween(desired, from.nic, to.nic, packet, briefWalk)
  return verdictOf(answer, isEstablished(desired, question, from, to, packet, answer))
}

/** Whether the packet passes because its flow could begin. */
export function isEstablished(
  desired: NetfilterDesired,
  question: PacketQuestion,
  from: End,
  to: End,
  packet: Packet,
  answer: VerdictBetween,
): boolean {
  if (question.state !== 'established') return false
  if (answer.verdict === 'allow') return true
  const back = verdictBetween(desired, to.nic, from.nic, reversed(packet), briefWalk)
  return back.verdict === 'allow'
}

/** The verdict as the API gives it. */
export function verdictOf(answer: VerdictBetween, established: boolean): PacketVerdict {
  const { deciding, decidedBy, verdict } = answer
  const id = deciding?.rule?.provenance.id
  return {
    verdict: established ? 'allow' : verdict,
    decidedBy: {
      ...(established
        ? { type: 'established' as const }
        : { ...decidedBy, ...(id !== undefined && { id }) }),
      ...(deciding && { nic: shownNic(deciding), direction: deciding.direction }),
    },
  }
}

/** `web-1/eth0` */
export function shownNic({ nic }: Pick<EndVerdict, 'nic'>): string {
  return nic.port.replace('.', '/')
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
