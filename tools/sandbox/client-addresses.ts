import {
  type AddressFamily,
  type AddressRange,
  formatAddress,
  parseAddress,
  parseCidr,
} from '@purlin/base'
import type { Manifest, PortGroupSpec, RulePeer, Subnet } from '@purlin/schema'

/** The addresses of one client, `ADDRESS/LENGTH`, by family; a family the port group lacks is
 *  absent. */
export interface ClientAddresses {
  readonly ipv4?: string
  readonly ipv6?: string
  /** The ranges of rules that hold this client's addresses, as the rules write them. */
  readonly within: readonly string[]
}

interface NamedRange extends AddressRange {
  readonly text: string
}

/** Gives two clients of a port group their addresses: none in a DHCP range, none the gateway's,
 *  none in `taken`. The first client stands inside the narrowest range that a rule names within the
 *  subnet, the second in no such range; where no rule names one, both are any free addresses. Pure.
 *  Shape: for each family its first subnet. */
export function chooseClientAddresses(
  portGroup: PortGroupSpec,
  groups: readonly Manifest<'SecurityGroup'>[],
  taken: readonly string[],
): readonly [ClientAddresses, ClientAddresses] {
  const clients: [Choice, Choice] = [{ within: [] }, { within: [] }]
  for (const family of ['ipv4', 'ipv6'] as const) {
    const subnet = portGroup.subnets.find(({ cidr }) => parseCidr(cidr)?.family === family)
    const network = subnet && parseCidr(subnet.cidr)
    if (subnet === undefined || network === undefined) continue
    const blocked = blockedRanges(subnet, network, taken)
    const narrow = namedRanges(groups)
      .filter((range) => isNarrower(range, network))
      .toSorted((a, b) => (size(a) < size(b) ? -1 : 1))
    const second = lowestFree(network, [...blocked, ...narrow])
    const inside = narrow
      .map((range) => ({ range, value: lowestFree(range, blocked) }))
      .find(({ value }) => value !== undefined)
    const used = second === undefined ? [] : [single(family, second)]
    const first = inside?.value ?? lowestFree(network, [...blocked, ...used])
    const text = (value: bigint): string =>
      `${formatAddress({ family, value })}/${network.prefixLength}`
    if (first !== undefined) clients[0][family] = text(first)
    if (inside !== undefined) clients[0].within.push(inside.range.text)
    if (second !== undefined) clients[1][family] = text(second)
  }
  return clients
}

interface Choice {
  ipv4?: string
  ipv6?: string
  within: string[]
}

function blockedRanges(
  subnet: Subnet,
  network: AddressRange,
  taken: readonly string[],
): AddressRange[] {
  const { family } = network
  const addresses = [...taken, ...(subnet.gateway === undefined ? [] : [subnet.gateway])]
    .map(parseAddress)
    .filter((address) => address?.family === family)
  const from = parseAddress(subnet.dhcp?.from ?? '')
  const to = parseAddress(subnet.dhcp?.to ?? '')
  // The first address is the network's own, or IPv6's anycast of routers (RFC 4291, 2.6.1); the
  // last is broadcast.
  const ends = [network.first, network.last].map((value) => single(family, value))
  const dhcp = from && to ? [{ family, first: from.value, last: to.value }] : []
  return [...ends, ...dhcp, ...addresses.map((address) => single(family, address?.value ?? 0n))]
}

function namedRanges(groups: readonly Manifest<'SecurityGroup'>[]): NamedRange[] {
  const peers = groups.flatMap(({ spec }): (RulePeer | undefined)[] => [
    ...spec.inbound.map((rule) => rule.source),
    ...spec.outbound.map((rule) => rule.destination),
  ])
  return peers.flatMap((peer) =>
    [
      ...(peer?.cidrs ?? []).map((text) => ({ text, range: parseCidr(text) })),
      ...[...(peer?.ranges ?? []), ...(peer?.addresses ?? [])].map((text) => ({
        text,
        range: spanRange(text),
      })),
    ].flatMap(({ text, range }) => (range === undefined ? [] : [{ ...range, text }])),
  )
}

function spanRange(text: string): AddressRange | undefined {
  const [first, last = first] = text.split('-').map((part) => parseAddress(part.trim()))
  return first && last && { family: first.family, first: first.value, last: last.value }
}

function single(family: AddressFamily, value: bigint): AddressRange {
  return { family, first: value, last: value }
}

function size(range: AddressRange): bigint {
  return range.last - range.first + 1n
}

function isNarrower(range: AddressRange, network: AddressRange): boolean {
  const inside = network.first <= range.first && range.last <= network.last
  return range.family === network.family && inside && size(range) < size(network)
}

/** The lowest address of `range` that no blocked range holds. */
function lowestFree(range: AddressRange, blocked: readonly AddressRange[]): bigint | undefined {
  const sorted = blocked
    .filter(({ family }) => family === range.family)
    .toSorted((a, b) => (a.first < b.first ? -1 : 1))
  let candidate = range.first
  for (const { first, last } of sorted) {
    if (first <= candidate && candidate <= last) candidate = last + 1n
  }
  return candidate <= range.last ? candidate : undefined
}
