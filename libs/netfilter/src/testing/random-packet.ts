import { type AddressFamily, parseAddress } from '@purlin/base'
import { flattenGroup } from '../flatten.ts'
import type { Packet } from '../packet.ts'
import type { NetfilterDesired } from '../policy/desired.ts'
import type { Generator } from './generator.ts'

/** Values at which a policy may change its mind: both ends of every range it names, and their
 *  neighbours. Packets are drawn from these, because a random one seldom meets a boundary. */
export interface Boundaries {
  readonly addresses: Readonly<Record<AddressFamily, readonly bigint[]>>
  readonly ports: readonly number[]
  readonly protocols: readonly number[]
  readonly icmp: readonly { readonly type: number; readonly code: number }[]
}

/** The boundaries of everything that a desired state names. */
export function boundariesOf(desired: NetfilterDesired): Boundaries {
  const addresses = { ipv4: new Set<bigint>([0n]), ipv6: new Set<bigint>([0n]) }
  const ports = new Set<number>([0, 67, 68, 546, 547, 65_535])
  const protocols = new Set<number>([1, 6, 17, 47, 58, 112, 132])
  const icmp = new Map<string, { type: number; code: number }>()
  const kinds = [133, 134, 135, 8, 3].map((type) => ({ type, code: 0 }))
  for (const one of kinds) icmp.set(`${one.type}/${one.code}`, one)
  const address = (text: string): void => {
    const found = parseAddress(text)
    if (found !== undefined) addresses[found.family].add(found.value)
  }
  for (const [group, spec] of desired.groups) {
    const rules = (['inbound', 'outbound'] as const).flatMap((one) =>
      flattenGroup(group, spec, one),
    )
    for (const rule of rules) {
      if (rule.protocol !== 'all') protocols.add(rule.protocol)
      for (const { family, first, last } of rule.peer?.ranges ?? []) {
        for (const value of [first - 1n, first, last, last + 1n]) {
          if (value >= 0n && value < 1n << (family === 'ipv4' ? 32n : 128n)) {
            addresses[family].add(value)
          }
        }
      }
      for (const { first, last } of rule.ports ?? []) {
        for (const port of [first - 1, first, last, last + 1]) {
          if (port >= 0 && port <= 65_535) ports.add(port)
        }
      }
      if (rule.icmp === undefined) continue
      const { type, code = 0 } = rule.icmp
      for (const other of [code, code + 1]) icmp.set(`${type}/${other}`, { type, code: other })
    }
  }
  for (const members of desired.members.values()) {
    for (const member of members) for (const text of [...member.ipv4, ...member.ipv6]) address(text)
  }
  for (const nic of desired.nics) {
    for (const text of [...nic.ipv4, ...nic.ipv6]) address(text)
    for (const server of nic.servers) address(server.address)
  }
  return {
    addresses: { ipv4: [...addresses.ipv4], ipv6: [...addresses.ipv6] },
    ports: [...ports],
    protocols: [...protocols],
    icmp: [...icmp.values()],
  }
}

/** A packet at the boundaries: mostly what the policy speaks of, at times far outside, at times
 *  without the bytes that a rule asks for. */
export function randomPacket(random: Generator, at: Boundaries): Packet {
  const family: AddressFamily = random.chance(50) ? 'ipv4' : 'ipv6'
  const addresses = at.addresses[family]
  const end = (): bigint =>
    random.chance(96) ? random.pick(addresses) : BigInt(random.below(1 << 30))
  const icmp = family === 'ipv4' ? 1 : 58
  const common = random.chance(75)
  const protocol = common
    ? random.pick([6, 6, 6, 17, 17, 132, icmp, icmp])
    : random.pick(at.protocols)
  const ported = protocol === 6 || protocol === 17 || protocol === 132
  const known = random.chance(97)
  const port = (): number => (random.chance(95) ? random.pick(at.ports) : random.below(65_536))
  return {
    family,
    source: end(),
    destination: end(),
    protocol,
    sourcePort: ported && known ? random.pick([67, 68, 546, 547, 40_000]) : undefined,
    destinationPort: ported && known ? port() : undefined,
    icmp: protocol === icmp && known ? random.pick(at.icmp) : undefined,
    state: random.chance(97) ? 'new' : random.pick(['related', 'established']),
  }
}
