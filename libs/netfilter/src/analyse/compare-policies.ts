import { type AddressFamily, formatAddress } from '@purlin/base'
import { type FlatList, flatten } from '../flatten.ts'
import { hasPorts } from '../packet.ts'
import type { Direction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { protocolNumbers, protocolWord } from '../policy/protocol.ts'
import type { Box } from '../space/boxes.ts'
import { type Region, regions } from '../space/compare.ts'
import { placeOf } from '../space/diagram.ts'
import { type LevelRange, states, UNKNOWN } from '../space/levels.ts'
import { decisionStore, mergedRanges, type PacketSpace, spaceOfList } from '../space/space.ts'

/** Packets that a change newly allows or newly denies at one end, as people read them. The fields
 *  must all fit; one that is absent does not matter. */
export interface PolicyChange {
  readonly port: string
  readonly direction: Direction
  readonly family: AddressFamily
  readonly change: 'newly-allowed' | 'newly-denied'
  /** The other end: addresses, `FIRST-LAST` for a run of them, and groups all of whose members are
   *  meant. */
  readonly peer?: { readonly addresses: readonly string[]; readonly groups: readonly string[] }
  /** Words or numbers, `FIRST-LAST` for a run. */
  readonly protocols?: readonly string[]
  readonly sourcePorts?: readonly string[]
  readonly destinationPorts?: readonly string[]
  /** `TYPE`, `TYPE/CODE`, or a run of either. */
  readonly icmp?: readonly string[]
  /** Who decided: `GROUP/DIRECTION/RULE`, `GROUP/members`, `default`, `open/NAME`, `unfiltered`. */
  readonly before: string
  readonly after: string
}

export interface PolicyComparison {
  readonly changes: readonly PolicyChange[]
  /** NICs of which only one of the two has rules; nothing else is said of them. */
  readonly addedPorts: readonly string[]
  readonly removedPorts: readonly string[]
  /** False where an end had more changes than are told. */
  readonly complete: boolean
}

const CHANGES_MAX = 500
const families: readonly AddressFamily[] = ['ipv4', 'ipv6']
const directions: readonly Direction[] = ['inbound', 'outbound']

/** Everything that a change of policy newly allows and newly denies, at each NIC, direction and
 *  family: by decomposition of all packets there are, not by samples. About packets that begin a
 *  flow. At most `changesMax` for each of these. Pure. Errors: PUR_INVALID (an address of a rule
 *  that cannot be read). */
export function comparePolicies(
  before: NetfilterDesired,
  after: NetfilterDesired,
  changesMax = CHANGES_MAX,
): PolicyComparison {
  const was = new Map(before.nics.map((nic) => [nic.port, nic]))
  const is = new Map(after.nics.map((nic) => [nic.port, nic]))
  const changes: PolicyChange[] = []
  let complete = true
  for (const [port, nic] of is) {
    const former = was.get(port)
    if (former === undefined) continue
    for (const direction of directions) {
      if (cannotDiffer(former, nic, before, after)) continue
      const lists = [flatten(former, direction, before), flatten(nic, direction, after)] as const
      for (const family of families) {
        const found = changedRegions(lists, family, changesMax)
        complete &&= found.complete
        for (const region of found.regions) {
          changes.push(...shown(region, port, direction, lists))
        }
      }
    }
  }
  return {
    changes,
    addedPorts: [...is.keys()].filter((port) => !was.has(port)),
    removedPorts: [...was.keys()].filter((port) => !is.has(port)),
    complete,
  }
}

/** The same groups, values and members need no look. */
function cannotDiffer(
  former: FilteredNic,
  nic: FilteredNic,
  before: NetfilterDesired,
  after: NetfilterDesired,
): boolean {
  return (
    JSON.stringify(ownPart(former)) === JSON.stringify(ownPart(nic)) &&
    nic.groups.every((group) => before.groups.get(group) === after.groups.get(group)) &&
    (before.members === after.members ||
      [...after.members].every(([group, members]) => before.members.get(group) === members))
  )
}

function ownPart({ groups, filtered, defaultPolicy, alwaysOpen, servers }: FilteredNic): unknown {
  return { groups, filtered, defaultPolicy, alwaysOpen, servers }
}

function changedRegions(
  lists: readonly [FlatList, FlatList],
  family: AddressFamily,
  changesMax: number,
) {
  const store = decisionStore(family)
  const spaceOf = (list: FlatList): PacketSpace => {
    const { diagram } = spaceOfList(list, family, { open: true, store })
    return { family, diagram: store.restrict(diagram, placeOf('state'), states.new) }
  }
  return regions(spaceOf(lists[0]), spaceOf(lists[1]), changesMax)
}

/** A region as one change for each sort of protocol: what the last level means follows from it. */
function shown(
  { family, box, before, after }: Region,
  port: string,
  direction: Direction,
  lists: readonly [FlatList, FlatList],
): readonly PolicyChange[] {
  const ids = [before?.id ?? 'nobody', after?.id ?? 'nobody'] as const
  const peer = peerOf(box[direction === 'inbound' ? 'source' : 'destination'], family, lists)
  const common = {
    port,
    direction,
    family,
    change: after?.verdict === 'accept' ? ('newly-allowed' as const) : ('newly-denied' as const),
    ...(peer && { peer }),
    before: ids[0],
    after: ids[1],
  }
  return sorts(box, family).map((sort) => ({ ...common, ...sort }))
}

type Sort = Pick<PolicyChange, 'protocols' | 'sourcePorts' | 'destinationPorts' | 'icmp'>

function sorts(box: Box, family: AddressFamily): readonly Sort[] {
  const { protocol, sourcePort, detail } = box
  if (detail === undefined && sourcePort === undefined) {
    return [protocol === undefined ? {} : { protocols: protocolTexts(protocol) }]
  }
  const icmp = family === 'ipv4' ? protocolNumbers.icmp : protocolNumbers.icmpv6
  const values = valuesOf(protocol ?? [{ first: 0, last: 255 }])
  const ported = values.filter(hasPorts)
  const details = detail && withoutUnknown(detail)
  const sourcePorts = sourcePort && withoutUnknown(sourcePort)
  const found: Sort[] = []
  if (ported.length > 0 && details?.length !== 0 && sourcePorts?.length !== 0) {
    found.push({
      protocols: ported.map(protocolWord),
      ...(sourcePorts && { sourcePorts: sourcePorts.map(rangeText) }),
      ...(details && { destinationPorts: details.map(rangeText) }),
    })
  }
  if (values.includes(icmp) && details?.length) {
    found.push({ protocols: ['icmp'], icmp: details.flatMap(icmpTexts) })
  }
  return found
}

function valuesOf(ranges: readonly LevelRange[]): readonly number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => Number(first) + at),
  )
}

function withoutUnknown(ranges: readonly LevelRange[]): readonly LevelRange[] {
  return ranges
    .filter(({ first }) => Number(first) < UNKNOWN)
    .map(({ first, last }) => ({ first, last: Math.min(Number(last), UNKNOWN - 1) }))
}

function protocolTexts(ranges: readonly LevelRange[]): readonly string[] {
  return ranges.map((range) =>
    range.first === range.last ? protocolWord(Number(range.first)) : rangeText(range),
  )
}

function rangeText({ first, last }: LevelRange): string {
  return first === last ? String(first) : `${first}-${last}`
}

/** A run of types and codes as whole types where it is some, else as types with codes. */
function icmpTexts({ first, last }: LevelRange): readonly string[] {
  const [from, to] = [Number(first), Number(last)]
  const [type, lastType] = [from >> 8, to >> 8]
  if (from % 256 === 0 && to % 256 === 255) return [rangeText({ first: type, last: lastType })]
  if (type === lastType) return [`${type}/${rangeText({ first: from & 255, last: to & 255 })}`]
  const end = (type << 8) | 255
  return [...icmpTexts({ first: from, last: end }), ...icmpTexts({ first: end + 1, last: to })]
}

/** Addresses as people name them: groups of the lists first, of which every member is meant. */
function peerOf(
  ranges: readonly LevelRange[] | undefined,
  family: AddressFamily,
  lists: readonly [FlatList, FlatList],
): PolicyChange['peer'] {
  if (ranges === undefined) return undefined
  const single = new Set<bigint>()
  for (const { first, last } of ranges) {
    if (BigInt(last) - BigInt(first) > 1_024n) continue
    for (let at = BigInt(first); at <= BigInt(last); at++) single.add(at)
  }
  const groups: string[] = []
  const named = new Set<bigint>()
  for (const group of new Set(lists.flatMap(groupsOf))) {
    const members = lists.map(({ membership }) => membership.addressesOf(group, family))
    const whole = members.find((own) => own.size > 1 && [...own].every((one) => single.has(one)))
    if (whole === undefined) continue
    groups.push(group)
    for (const one of whole) named.add(one)
  }
  const rest = ranges.flatMap((range) => without(range, named))
  const text = (value: number | bigint): string => formatAddress({ family, value: BigInt(value) })
  return {
    addresses: mergedRanges(rest).map(({ first, last }) =>
      first === last ? text(first) : `${text(first)}-${text(last)}`,
    ),
    groups,
  }
}

function groupsOf(list: FlatList): readonly string[] {
  return list.rules.flatMap(({ peer }) => peer?.groups ?? [])
}

function without(range: LevelRange, values: ReadonlySet<bigint>): readonly LevelRange[] {
  const inside = [...values].filter((value) => range.first <= value && value <= range.last)
  const parts: LevelRange[] = []
  let next = BigInt(range.first)
  for (const value of inside.sort((a, b) => (a < b ? -1 : 1))) {
    if (value > next) parts.push({ first: next, last: value - 1n })
    next = value + 1n
  }
  if (next <= range.last) parts.push({ first: next, last: range.last })
  return parts
}
