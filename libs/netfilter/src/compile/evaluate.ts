import { type AddressFamily, parseAddress } from '@purlin/base'
import type { Packet } from '../packet.ts'
import { builtInFor } from '../policy/built-in.ts'
import type { Direction } from '../policy/desired.ts'
import type { CompiledRule, CompiledRuleset, GroupSet, Match } from './ruleset.ts'

const setValues = new WeakMap<GroupSet, ReadonlySet<bigint>>()

/** Walks a compiled rule set as the kernel does: dispatch of the NIC, the chain of the family, rule
 *  by rule. It knows nothing of groups, priorities or provenance, so it can be held against
 *  `interpret`. Undefined for a NIC that the rule set does not have. */
export function evaluate(
  ruleset: CompiledRuleset,
  port: string,
  direction: Direction,
  packet: Packet,
): 'accept' | 'drop' | undefined {
  const nic = ruleset.nics.find((one) => one.port === port)
  if (nic === undefined) return undefined
  if (nic.lists === undefined || builtInFor(direction, packet) !== undefined) return 'accept'
  const list = ruleset.lists.get(nic.lists[direction])
  const rules: readonly CompiledRule[] = list?.[packet.family] ?? []
  const decided = rules.find((rule) => rule.matches.every((match) => holds(match, packet, ruleset)))
  return decided?.verdict ?? 'drop'
}

function holds(match: Match, packet: Packet, ruleset: CompiledRuleset): boolean {
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
    case 'icmp':
      return (
        packet.protocol === match.protocol &&
        packet.icmp?.type === match.type &&
        (match.code === undefined || packet.icmp.code === match.code)
      )
  }
}

function valuesOf(set: GroupSet): ReadonlySet<bigint> {
  const known = setValues.get(set)
  if (known !== undefined) return known
  const values = new Set(set.addresses.map((text) => addressValue(text, set.family)))
  setValues.set(set, values)
  return values
}

function addressValue(text: string, family: AddressFamily): bigint {
  const address = parseAddress(text)
  return address?.family === family ? address.value : -1n
}
