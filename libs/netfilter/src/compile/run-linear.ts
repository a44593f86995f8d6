import { type AddressFamily, parseAddress } from '@purlin/base'
import type { Packet } from '../packet.ts'
import type { CompiledRuleset, GroupSet, Match } from './ruleset.ts'

const setValues = new WeakMap<GroupSet, ReadonlySet<bigint>>()

/** Whether all conditions hold, as the kernel reads them. */
export function holdsAll(
  matches: readonly Match[],
  packet: Packet,
  ruleset: Pick<CompiledRuleset, 'sets'>,
): boolean {
  for (const match of matches) if (!holds(match, packet, ruleset)) return false
  return true
}

function holds(match: Match, packet: Packet, ruleset: Pick<CompiledRuleset, 'sets'>): boolean {
  switch (match.on) {
    case 'address': {
      const address = packet[match.side]
      return match.ranges.some(
        ({ family, first, last }) =>
          family === packet.family && first <= address && address <= last,
      )
    }
    case 'group': {
      const set = ruleset.sets.get(match.set)
      return (
        set !== undefined && set.family === packet.family && valuesOf(set).has(packet[match.side])
      )
    }
    case 'protocol':
      return packet.protocol === match.protocol
    case 'ports': {
      const port = packet.destinationPort
      if (packet.protocol !== match.protocol || port === undefined) return false
      return match.ranges.some(({ first, last }) => first <= port && port <= last)
    }
    case 'source-port':
      return packet.protocol === match.protocol && packet.sourcePort === match.port
    case 'icmp':
      return (
        packet.protocol === match.protocol &&
        packet.icmp?.type === match.type &&
        (match.code === undefined || packet.icmp.code === match.code)
      )
    case 'related':
      return packet.state === 'related'
  }
}

function valuesOf(set: GroupSet): ReadonlySet<bigint> {
  const known = setValues.get(set)
  if (known !== undefined) return known
  const values = new Set(set.addresses.map((text) => addressValue(text, set.family)))
  setValues.set(set, values)
  return values
}

/** The number of an address, or one that no packet has. */
export function addressValue(text: string, family: AddressFamily): bigint {
  const address = parseAddress(text)
  return address?.family === family ? address.value : -1n
}
