import type { AddressFamily } from '@purlin/base'
import type { FlatList, FlatPeer, FlatRule } from '../flatten.ts'
import type { Direction } from '../policy/desired.ts'
import { isWholeFamily } from '../policy/ranges.ts'
import { decidedBy, decidedByDefault } from './decided.ts'
import type { LinearForm } from './form.ts'
import type { CompiledRule, Match } from './ruleset.ts'

/** The parts of a list that its compiled forms follow from: no member of any group. */
export type ListContent = Pick<FlatList, 'direction' | 'rules' | 'defaultAction'>

/** The linear form: the list as it is, rule after rule, for one family. Pure. */
export function compileLinear(list: ListContent, family: AddressFamily): LinearForm {
  const rules = list.rules
    .filter((rule) => rule.families.includes(family))
    .flatMap((rule) => compileRule(rule, list.direction, family))
  return {
    form: 'linear',
    rules: [...rules, { ...decidedByDefault(list.defaultAction), matches: [] }],
  }
}

/** The name of a group's set of one family. */
export function groupSetName(group: string, family: AddressFamily): string {
  return `group-${group}-${family}`
}

function compileRule(
  rule: FlatRule,
  direction: Direction,
  family: AddressFamily,
): readonly CompiledRule[] {
  const decided = decidedBy(rule, direction)
  const transport = transportMatches(rule)
  return peerMatches(rule.peer, direction, family).map((peer) => ({
    ...decided,
    matches: [...peer, ...transport],
  }))
}

/** One list of conditions per alternative of the peer: any of them suffices, and since the rules
 *  they become stand side by side with one verdict, their order does not matter. */
function peerMatches(
  peer: FlatPeer | undefined,
  direction: Direction,
  family: AddressFamily,
): readonly (readonly Match[])[] {
  if (peer === undefined || peer.ranges.some(isWholeFamily)) return [[]]
  const side = direction === 'inbound' ? 'source' : 'destination'
  const groups = peer.groups.map((group): readonly Match[] => [
    { on: 'group', side, set: groupSetName(group, family) },
  ])
  if (peer.ranges.length === 0) return groups
  return [[{ on: 'address', side, ranges: peer.ranges }], ...groups]
}

function transportMatches({ protocol, ports, icmp }: FlatRule): readonly Match[] {
  if (protocol === 'all') return []
  if (ports !== undefined) return [{ on: 'ports', protocol, ranges: ports }]
  if (icmp !== undefined) return [{ on: 'icmp', protocol, type: icmp.type, code: icmp.code }]
  return [{ on: 'protocol', protocol }]
}
