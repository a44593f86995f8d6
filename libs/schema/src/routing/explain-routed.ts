import type { PacketExplanation, PacketQuestion, PacketVerdict } from '../api/explain.ts'
import type { RoutedNetwork } from './network.ts'
import { type RoutePath, routePath } from './route-path.ts'

/** An explanation that crosses routers: `explain` answers by the lists of both ends, and what has
 *  no way is denied whatever they say. Where a router translates, the list of each end is asked
 *  about the packet that it sees. Pure if `explain` is. Errors: those of `explain`. */
export function explainRouted(
  network: RoutedNetwork,
  question: PacketQuestion,
  explain: (question: PacketQuestion) => PacketExplanation,
): PacketExplanation {
  const path = routePath(network, question)
  const sent = explain(question)
  const answer = path.received === undefined ? sent : both(sent, explain(path.received))
  const withPath = isPlain(path)
    ? answer
    : { ...answer, path: { reached: path.reached, hops: [...path.hops] } }
  const last = path.hops.at(-1)?.sentence
  if (path.reached !== 'no') return withPath
  const { smallestChange, ...lists } = withPath
  return {
    ...lists,
    verdict: 'deny',
    decidedBy: { type: 'unreachable' },
    sentence: `${flowOf(answer.sentence)}: deny, ${last ?? 'there is no way'}`,
  }
}

/** The short answer to a question, across routers: `brief` where nothing is translated or closed,
 *  which is as quick as the lists alone. Pure if both are. Errors: those of `explain`. */
export function answerRouted(
  network: RoutedNetwork,
  question: PacketQuestion,
  brief: PacketVerdict,
  explain: (question: PacketQuestion) => PacketExplanation,
): PacketVerdict {
  const { reached, received } = routePath(network, question)
  if (reached === 'no') return { verdict: 'deny', decidedBy: { type: 'unreachable' } }
  if (received === undefined) return brief
  const { verdict, decidedBy } = explainRouted(network, question, explain)
  return { verdict, decidedBy }
}

/** The sender's list has seen the packet as it was sent, the receiver's as it came. */
function both(sent: PacketExplanation, received: PacketExplanation): PacketExplanation {
  const outbound = sent.ends.filter(({ direction }) => direction === 'outbound')
  const inbound = received.ends.filter(({ direction }) => direction === 'inbound')
  const ends = [...outbound, ...inbound]
  const [last] = inbound
  if (last === undefined || outbound.some(({ verdict }) => verdict === 'deny')) {
    return { ...sent, ends }
  }
  const { nic, direction, verdict, decidedBy } = last
  const { smallestChange, ...rest } = received
  const reason = received.sentence.slice(received.sentence.indexOf(': ') + 2)
  const told = received.verdict === verdict ? reason : `${verdict}, by the list of ${nic}`
  return {
    ...rest,
    ...(verdict === 'deny' && smallestChange !== undefined && { smallestChange }),
    verdict,
    decidedBy: { ...decidedBy, nic, direction },
    ends,
    sentence: `${flowOf(sent.sentence)}: ${told}`,
  }
}

function isPlain({ reached, hops }: RoutePath): boolean {
  return reached !== 'no' && hops.every(({ by }) => by === 'switch')
}

/** `web-1 -> db-1 ipv4 tcp port 80`, before the verdict; addresses of IPv6 have no blank after
 *  their colons. */
function flowOf(sentence: string): string {
  const cut = sentence.indexOf(': ')
  return cut < 0 ? sentence : sentence.slice(0, cut)
}
