import { explainPacketLive, type LiveOptions, type NetfilterDesired } from '@purlin/netfilter'
import {
  explainRouted,
  type PacketExplanation,
  type PacketQuestion,
  type RoutedNetwork,
  routePath,
} from '@purlin/schema'
import type { VswitchDriver } from '@purlin/vswitch'
import { liveCrossing } from './live-crossing.ts'

export interface LivePacketGrounds {
  readonly network: RoutedNetwork
  readonly policy: NetfilterDesired
  readonly host: string
  readonly cross: VswitchDriver['cross']
}

type Live = NonNullable<PacketExplanation['live']>

/** The answer to a question across routers, held against the kernel: by a packet at the NIC of each
 *  end, as that end sees it, and by one that crosses the gateways and the router of this host.
 *  Nobody gets any of them. Errors: those of `explainPacketLive`. */
export async function explainLive(
  { network, policy, host, cross }: LivePacketGrounds,
  question: PacketQuestion,
  options: LiveOptions,
): Promise<PacketExplanation> {
  const path = routePath(network, question)
  const sent = await explainPacketLive(policy, question, options)
  const received =
    path.received === undefined
      ? undefined
      : await explainPacketLive(policy, path.received, options)
  const crossing = await liveCrossing({ network, policy, question, path, host }, (one) =>
    cross(one, options.signal),
  )
  const answer = explainRouted(network, question, (asked) =>
    asked === question ? sent : (received ?? sent),
  )
  return { ...answer, live: together(answer, sent, received, crossing) }
}

/** What the ends that count, and the way between, say together. */
function together(
  { ends }: PacketExplanation,
  sent: PacketExplanation,
  received: PacketExplanation | undefined,
  crossing: Live['crossing'],
): Live {
  const counted = new Set(ends.map(({ nic, direction }) => `${nic} ${direction}`))
  const known = new Set([sent, received].flatMap((one) => one?.ends ?? []).map(({ nic }) => nic))
  const told = [...(sent.live?.untraced ?? []), ...(received?.live?.untraced ?? [])]
  const untraced = told.filter(
    ({ end }, index) =>
      (counted.has(end) || !known.has(end.slice(0, end.indexOf(' ')))) &&
      told.findIndex((one) => one.end === end) === index,
  )
  const lives = ends.flatMap(({ live }) => live ?? [])
  const disagrees =
    lives.some((live) => live.traced && !live.agrees) ||
    (crossing?.traced === true && !crossing.agrees)
  const isWhole =
    lives.length > 0 && lives.every(({ traced }) => traced) && crossing?.traced !== false
  return {
    outcome: disagrees ? 'disagrees' : isWhole ? 'agrees' : 'untraced',
    untraced,
    ...(crossing && { crossing }),
  }
}
