import { randomBytes } from 'node:crypto'
import { PurlinError } from '@purlin/base'
import {
  hasPorts,
  type NetfilterDesired,
  NONCE_BYTES,
  probeFrame,
  readQuestion,
} from '@purlin/netfilter'
import {
  gatewayMac,
  type Manifest,
  type NetworkNic,
  oneNetwork,
  type PacketExplanation,
  type PacketQuestion,
  pathEnds,
  plainAddress,
  type RoutedNetwork,
  type RoutePath,
  routerMac,
} from '@purlin/schema'
import type { CrossedHop, Crossing } from '@purlin/vswitch'

type LiveCrossing = NonNullable<NonNullable<PacketExplanation['live']>['crossing']>

/** Where a packet comes to this host's gateways and router, and where it shall go. */
export interface CrossingPlace {
  readonly from?: string
  readonly router?: string
  readonly to?: string
}

export interface CrossingQuestion {
  readonly network: RoutedNetwork
  readonly policy: NetfilterDesired
  readonly question: PacketQuestion
  readonly path: RoutePath
  readonly host: string
}

/** Sends the packet of a question through the gateways and the router of this host; undefined where
 *  it crosses none. What keeps it from being sent is told in the answer. */
export async function liveCrossing(
  asked: CrossingQuestion,
  cross: (crossing: Crossing) => Promise<readonly CrossedHop[]>,
): Promise<LiveCrossing | undefined> {
  const { policy, question, path, host } = asked
  const place = crossingPlace(asked)
  if (place === undefined) return undefined
  if (typeof place === 'string') return { traced: false, reason: place }
  const { packet, from } = readQuestion(policy, question)
  const frame = probeFrame(
    hasPorts(packet.protocol) && packet.sourcePort === undefined
      ? { ...packet, sourcePort: 0xc000 | (randomBytes(2).readUInt16BE() & 0x3fff) }
      : packet,
    {
      sourceMac: from.nic?.mac ?? '02:00:00:00:00:01',
      destinationMac:
        place.from === undefined ? routerMac(place.router ?? '', host) : gatewayMac(place.from),
    },
    Uint8Array.from(randomBytes(NONCE_BYTES)),
  )
  try {
    const { bytes, nonce, nonceAt } = frame
    return judgedCrossing(await cross({ ...place, frame: bytes, nonce, nonceAt }), path)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code === 'PUR_CANCELLED') throw thrown
    return { traced: false, reason: thrown.message }
  }
}

/** What the hops of a crossing say together. Pure. */
export function judgedCrossing(
  hops: readonly CrossedHop[],
  { reached }: Pick<RoutePath, 'reached'>,
): LiveCrossing {
  if (hops.every(({ outcome }) => outcome === 'unseen')) {
    const [first] = hops
    const where = first === undefined ? 'the way' : `${first.place.by} ${first.place.name}`
    return {
      traced: false,
      reason: `the packet did not come to ${where}: its cable does not stand`,
    }
  }
  const verdict = hops.every(({ outcome }) => outcome === 'passed') ? 'allow' : 'deny'
  return {
    traced: true,
    verdict,
    agrees: reached === 'unknown' || (reached === 'yes') === (verdict === 'allow'),
    hops: hops.map(({ place, outcome, by, device, packet }) => ({
      ...place,
      outcome,
      ...(by !== undefined && { rule: by }),
      ...(device !== undefined && { device }),
      ...(packet !== undefined && { packet }),
    })),
  }
}

/** Which of this host's namespaces the packet crosses; a sentence where they are another host's;
 *  undefined where it stays in its network, or nothing is known of its way. Pure. */
export function crossingPlace({
  network,
  question,
  path,
  host,
}: Pick<CrossingQuestion, 'network' | 'question' | 'path' | 'host'>):
  | CrossingPlace
  | string
  | undefined {
  const ends = pathEnds(network, question)
  if (ends === undefined) return undefined
  const { from, to } = ends
  const sender = from.nic
  if (sender !== undefined && to.nic !== undefined && oneNetwork(network, sender, to.nic)) {
    return undefined
  }
  const receiver = path.received === undefined ? to.nic : nicNamed(network, path.received.to)
  const joins = (portGroup: string | undefined) =>
    network.routers.find(({ spec }) => spec.portGroups.some((name) => name === portGroup))
  const own = joins(sender?.portGroup)
  if (sender !== undefined && (own !== undefined || hasGateway(network, sender))) {
    if (sender.host !== host)
      return `${sender.port} is not on this host; ask the agent of ${sender.host}`
    const inside = own !== undefined && goesInside(own, receiver, to.nic === undefined, host)
    return {
      from: sender.portGroup,
      ...(own !== undefined && { router: own.name }),
      ...(inside && receiver !== undefined && { to: receiver.portGroup }),
    }
  }
  const router = joins(receiver?.portGroup) ?? routerOfAddress(network, to.address)
  if (router?.spec.external === undefined) return undefined
  if (receiver !== undefined && receiver.host !== host) {
    return `${receiver.port} is not on this host; ask the agent of ${receiver.host}`
  }
  return { router: router.name, ...(receiver !== undefined && { to: receiver.portGroup }) }
}

/** Whether the router passes the packet to a joined port group. Behind an external address that is
 *  so only for machines of the same host: others are reached by their host's external side. */
function goesInside(
  { spec }: Manifest<'Router'>,
  receiver: NetworkNic | undefined,
  isTranslated: boolean,
  host: string,
): boolean {
  if (receiver === undefined || !spec.portGroups.includes(receiver.portGroup)) return false
  return !isTranslated || receiver.host === host
}

function hasGateway({ portGroups }: RoutedNetwork, { portGroup }: NetworkNic): boolean {
  const subnets = portGroups.get(portGroup)?.subnets ?? []
  return subnets.some(({ gateway }) => gateway !== undefined)
}

function nicNamed({ nics }: RoutedNetwork, port: string): NetworkNic | undefined {
  return nics.find((nic) => nic.port === port.replace('/', '.'))
}

/** The router of which an address is an external one. */
function routerOfAddress({ routers }: RoutedNetwork, address: string) {
  return routers.find(({ spec }) =>
    [
      ...(spec.external?.hosts.flatMap(({ addresses }) => addresses) ?? []),
      ...spec.floatingAddresses.map((one) => one.address),
      ...spec.portForwards.map((one) => one.address),
    ].some((one) => plainAddress(one) === address),
  )
}
