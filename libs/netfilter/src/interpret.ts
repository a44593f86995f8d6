import type { AddressFamily } from '@purlin/base'
import type { FlatList, FlatRule, Provenance } from './flatten.ts'
import type { Packet } from './packet.ts'
import { builtInFor } from './policy/built-in.ts'
import type { FilterAction } from './policy/desired.ts'
import { protocolNumbers, protocolWord } from './policy/protocol.ts'

/** What decided: a rule of a group, its members rule, the NIC's default, a built-in, or nothing
 *  because the NIC has no groups. */
export type Decision =
  | { readonly type: 'rule'; readonly group: string; readonly priority: number }
  | { readonly type: 'members'; readonly group: string }
  | { readonly type: 'default' | 'unfiltered' | 'builtIn' }

/** One rule met on the way, and why it matched or did not. */
export interface WalkStep {
  readonly provenance: Provenance
  readonly matched: boolean
  readonly why: string
}

export interface Walk {
  readonly verdict: FilterAction
  readonly decidedBy: Decision
  readonly steps: readonly WalkStep[]
}

/** The meaning of a list: the verdict on the first packet of a flow. Every compiled form and the
 *  kernel are tested against this function. Pure and total. */
export function interpret(list: FlatList, packet: Packet): FilterAction {
  if (!list.filtered || builtInFor(list.direction, packet) !== undefined) return 'allow'
  const decided = list.rules.find((rule) => mismatch(rule, list, packet) === undefined)
  return decided?.action ?? list.defaultAction
}

/** The same as `interpret`, with each rule on the way and the reason it did not match. */
export function walk(list: FlatList, packet: Packet): Walk {
  if (!list.filtered) {
    return { verdict: 'allow', decidedBy: { type: 'unfiltered' }, steps: [] }
  }
  if (builtInFor(list.direction, packet) !== undefined) {
    return { verdict: 'allow', decidedBy: { type: 'builtIn' }, steps: [] }
  }
  const steps: WalkStep[] = []
  for (const rule of list.rules) {
    const reason = mismatch(rule, list, packet)
    const { provenance } = rule
    if (reason !== undefined) {
      steps.push({ provenance, matched: false, why: reason })
      continue
    }
    steps.push({ provenance, matched: true, why: `matches: ${rule.action}` })
    const { group, priority } = provenance
    const decidedBy: Decision =
      priority === 'members' ? { type: 'members', group } : { type: 'rule', group, priority }
    return { verdict: rule.action, decidedBy, steps }
  }
  return { verdict: list.defaultAction, decidedBy: { type: 'default' }, steps }
}

/** The first thing of the rule that does not fit the packet, or undefined where all fits. */
function mismatch(rule: FlatRule, list: FlatList, packet: Packet): string | undefined {
  if (!rule.families.includes(packet.family)) {
    return `is for ${rule.families.join(' and ')}, the packet is ${packet.family}`
  }
  if (rule.protocol !== 'all' && rule.protocol !== packet.protocol) {
    return `protocol is ${protocolWord(rule.protocol)}, the packet's is ${protocolWord(packet.protocol)}`
  }
  return (
    mismatchedPorts(rule, packet) ??
    mismatchedIcmp(rule, packet) ??
    mismatchedPeer(rule, list, packet)
  )
}

function mismatchedPorts(rule: FlatRule, packet: Packet): string | undefined {
  if (rule.ports === undefined) return undefined
  const port = hasPorts(packet.protocol) ? packet.destinationPort : undefined
  const fits = rule.ports.some(
    ({ first, last }) => port !== undefined && first <= port && port <= last,
  )
  if (fits) return undefined
  const wanted = rule.ports.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
  return `ports are ${wanted.join(', ')}, the packet's is ${port ?? 'not known'}`
}

function mismatchedIcmp(rule: FlatRule, packet: Packet): string | undefined {
  if (rule.icmp === undefined) return undefined
  const { type, code } = rule.icmp
  const found = packet.icmp
  if (found?.type === type && (code === undefined || found.code === code)) return undefined
  const wanted = code === undefined ? `type ${type}` : `type ${type} code ${code}`
  const shown = found === undefined ? 'not known' : `type ${found.type} code ${found.code}`
  return `icmp is ${wanted}, the packet's is ${shown}`
}

function mismatchedPeer(rule: FlatRule, list: FlatList, packet: Packet): string | undefined {
  if (rule.peer === undefined) return undefined
  const address = list.direction === 'inbound' ? packet.source : packet.destination
  const family: AddressFamily = packet.family
  const inRange = rule.peer.ranges.some(({ first, last }) => first <= address && address <= last)
  if (inRange) return undefined
  const inGroup = rule.peer.groups.some((group) =>
    list.membership.addressesOf(group, family).has(address),
  )
  if (inGroup) return undefined
  const names = rule.peer.groups.map((group) => `group ${group}`)
  if (rule.peer.ranges.length > 0) names.unshift('the named addresses')
  const side = list.direction === 'inbound' ? 'source' : 'destination'
  return `${side} is not of ${names.join(', ') || 'anybody'}`
}

function hasPorts(protocol: number): boolean {
  const { tcp, udp, sctp } = protocolNumbers
  return protocol === tcp || protocol === udp || protocol === sctp
}
