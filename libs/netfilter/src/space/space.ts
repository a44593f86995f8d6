/** Packet spaces: what a list decides about every packet there is, as a diagram, built exactly and
 *  not by samples.
 *
 *      const meant = spaceOfList(flatten(nic, 'inbound', desired), 'ipv4')
 *      const loaded = spaceOfForm(list.ipv4, ruleset, 'ipv4')      // or spaceOfChain(...)
 *      difference(meant, loaded)   // undefined, or a packet that they decide differently
 *      regions(before, after)      // every packet that they decide differently, in boxes
 */
import type { AddressFamily } from '@purlin/base'
import { ruleLabel } from '../compile/decided.ts'
import type { Decided } from '../compile/form.ts'
import type { FlatList, FlatRule } from '../flatten.ts'
import type { Packet } from '../packet.ts'
import type { BuiltIn } from '../policy/built-in.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { type Box, firstBox, positionStore } from './boxes.ts'
import { childAt, type Diagram, DiagramStore, isLeaf, placeOf } from './diagram.ts'
import { type LevelRange, type LevelValue, levels, states, UNKNOWN } from './levels.ts'

/** What one direction of a NIC, one list or one chain decides about every packet of a family. */
export interface PacketSpace {
  readonly family: AddressFamily
  readonly diagram: Diagram<Decided | undefined>
}

/** A store for decisions. Spaces of one store share what they have in common; spaces of different
 *  stores can be compared all the same. */
export function decisionStore(family: AddressFamily): DiagramStore<Decided | undefined> {
  return new DiagramStore(family, (decided) =>
    decided === undefined ? '' : `${decided.verdict} ${decided.log} ${decided.id}`,
  )
}

export interface SpaceOptions {
  /** Whether what passes unasked belongs to the space: established flows and built-ins. */
  readonly open?: boolean
  readonly store?: DiagramStore<Decided | undefined>
}

/** The space of a flat list with the members as they are, by its meaning: each rule a box, the
 *  first that holds a packet decides. Pure. */
export function spaceOfList(
  list: FlatList,
  family: AddressFamily,
  { open = false, store = decisionStore(family) }: SpaceOptions = {},
): PacketSpace {
  if (!list.filtered) return { family, diagram: store.leaf(accepted('unfiltered')) }
  const boxes: Box[] = []
  const decisions: Decided[] = []
  const add = (box: Box, decided: Decided): void => {
    boxes.push(box)
    decisions.push(decided)
  }
  if (open) {
    add({ state: [single(states.established)] }, accepted('established'))
    for (const one of list.open) {
      if (one.family === family) add(builtInBox(one), accepted(`open/${one.name}`))
    }
  }
  for (const rule of list.rules) {
    const box = rule.families.includes(family) ? ruleBox(rule, list, family) : undefined
    if (box === undefined) continue
    const verdict = rule.action === 'allow' ? 'accept' : 'drop'
    const id = ruleLabel(rule.provenance, list.direction)
    add(box, { id, verdict, log: rule.log })
  }
  const verdict = list.defaultAction === 'allow' ? 'accept' : 'drop'
  add({}, { id: 'default', verdict, log: false })
  const which = firstBox(positionStore(family), boxes)
  const diagram = store.map(which, (at) => (at === undefined ? undefined : decisions[at]))
  return { family, diagram }
}

function accepted(id: string): Decided {
  return { id, verdict: 'accept', log: false }
}

function single(value: LevelValue): LevelRange {
  return { first: value, last: value }
}

/** A rule's packets; undefined where it can have none. */
export function ruleBox(
  rule: FlatRule,
  { direction, membership }: Pick<FlatList, 'direction' | 'membership'>,
  family: AddressFamily,
): Box | undefined {
  const { protocol, ports, icmp, peer } = rule
  const side = direction === 'inbound' ? 'source' : 'destination'
  const addresses = peer && [
    ...peer.ranges.map(({ first, last }) => ({ first, last })),
    ...peer.groups.flatMap((group) => [...membership.addressesOf(group, family)].map(single)),
  ]
  if (addresses?.length === 0) return undefined
  const detail = ports ?? (icmp && [icmpRange(icmp.type, icmp.code)])
  return {
    ...(addresses && { [side]: mergedRanges(addresses) }),
    ...(protocol !== 'all' && { protocol: [single(protocol)] }),
    ...(detail && { detail }),
  }
}

function builtInBox(one: BuiltIn): Box {
  const { protocol, sourcePort, destinationPort, icmpTypes, sources, related } = one
  const detail =
    destinationPort === undefined
      ? icmpTypes?.map((type) => icmpRange(type, undefined))
      : [single(destinationPort)]
  return {
    protocol: [single(protocol)],
    ...(related && { state: [single(states.related)] }),
    ...(sourcePort !== undefined && { sourcePort: [single(sourcePort)] }),
    ...(sources && { source: mergedRanges(sources.map(single)) }),
    ...(detail && { detail: mergedRanges(detail) }),
  }
}

/** Types and codes as values of the level `detail`. */
export function icmpRange(type: number, code: number | undefined): LevelRange {
  return { first: type * 256 + (code ?? 0), last: type * 256 + (code ?? 255) }
}

/** The same values as disjoint ranges in order; those that overlap or touch become one. */
export function mergedRanges(ranges: readonly LevelRange[]): readonly LevelRange[] {
  const merged: { first: LevelValue; last: LevelValue }[] = []
  for (const { first, last } of ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = merged.at(-1)
    const touches =
      before !== undefined &&
      (first <= before.last ||
        (typeof first === 'bigint' ? first - 1n === before.last : first - 1 === before.last))
    if (before === undefined || !touches) merged.push({ first, last })
    else if (last > before.last) before.last = last
  }
  return merged
}

/** What the space decides about a packet; undefined where it decides nothing. */
export function decisionOf(space: PacketSpace, packet: Packet): Decided | undefined {
  let at = space.diagram
  while (!isLeaf(at)) at = childAt(at, valueAt(packet, at.level))
  return at.leaf
}

/** A packet's value at a level. */
function valueAt(packet: Packet, place: number): LevelValue {
  switch (levels[place]) {
    case 'state':
      return states[packet.state ?? 'new']
    case 'source':
      return packet.source
    case 'destination':
      return packet.destination
    case 'protocol':
      return packet.protocol
    case 'sourcePort':
      return packet.sourcePort ?? UNKNOWN
    case 'detail': {
      const { icmp } = packet
      return icmp ? icmp.type * 256 + icmp.code : (packet.destinationPort ?? UNKNOWN)
    }
    default:
      return 0
  }
}

/** A packet that has these values; levels that are not named get the lowest that makes sense. */
export function packetOf(family: AddressFamily, values: ReadonlyMap<number, LevelValue>): Packet {
  const number = (place: number): number | undefined => {
    const value = values.get(place)
    return value === undefined || value === UNKNOWN ? undefined : Number(value)
  }
  const address = (place: number): bigint => BigInt(values.get(place) ?? 0n)
  const protocol = number(placeOf('protocol')) ?? 0
  const detailPlace = placeOf('detail')
  const detail = values.has(detailPlace) ? number(detailPlace) : 0
  const isIcmp = protocol === (family === 'ipv4' ? protocolNumbers.icmp : protocolNumbers.icmpv6)
  const { tcp, udp, sctp } = protocolNumbers
  const ported = [tcp, udp, sctp].some((one) => one === protocol)
  const state = (['new', 'established', 'related'] as const)[number(placeOf('state')) ?? 0]
  return {
    family,
    source: address(placeOf('source')),
    destination: address(placeOf('destination')),
    protocol,
    sourcePort: ported
      ? values.has(placeOf('sourcePort'))
        ? number(placeOf('sourcePort'))
        : 0
      : undefined,
    destinationPort: ported ? detail : undefined,
    icmp: isIcmp && detail !== undefined ? { type: detail >> 8, code: detail & 255 } : undefined,
    state,
  }
}
