import type { AddressFamily } from '@purlin/base'
import type { FlatList, FlatRule, Provenance } from './flatten.ts'
import { hasPorts, type Packet } from './packet.ts'
import { type BuiltIn, builtInFor } from './policy/built-in.ts'
import type { FilterAction } from './policy/desired.ts'
import { protocolWord } from './policy/protocol.ts'

/** What decided: a rule of a group, its members rule, the NIC's default, a built-in, that the
 *  packet belongs to a flow already allowed, or nothing because the NIC's lists do not apply. */
export type Decision =
  | { readonly type: 'rule'; readonly group: string; readonly priority: number }
  | { readonly type: 'members'; readonly group: string }
  | { readonly type: 'default' | 'unfiltered' | 'builtIn' | 'established' }

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
  /** The rule that decided, where one did. */
  readonly rule: FlatRule | undefined
  /** What lets it pass without a rule, where something does. */
  readonly open: BuiltIn | undefined
}

/** The meaning of a list: the verdict on a packet. One of an established flow passes, because the
 *  flow was allowed when it was new; whatever else is decided, new or related, is decided here.
 *  Every compiled form and the kernel are tested against this function. Pure and total. */
export function interpret(list: FlatList, packet: Packet): FilterAction {
  if (passesUnasked(list, packet)) return 'allow'
  for (const rule of list.rules) {
    if (unfit(rule, list, packet) === undefined) return rule.action
  }
  return list.defaultAction
}

/** The rule that decides the first packet of a flow; undefined: the default, or none is asked. */
export function decidingRule(list: FlatList, packet: Packet): FlatRule | undefined {
  if (passesUnasked(list, packet)) return undefined
  return list.rules.find((rule) => unfit(rule, list, packet) === undefined)
}

function passesUnasked(list: FlatList, packet: Packet): boolean {
  if (!list.filtered || packet.state === 'established') return true
  return list.open.length > 0 && builtInFor(list.open, packet) !== undefined
}

/** The same as `interpret`, with each rule on the way and the reason it did not match. */
export function walk(list: FlatList, packet: Packet): Walk {
  const unasked = (type: 'unfiltered' | 'builtIn' | 'established', open?: BuiltIn): Walk => {
    return { verdict: 'allow', decidedBy: { type }, steps: [], rule: undefined, open }
  }
  if (!list.filtered) return unasked('unfiltered')
  if (packet.state === 'established') return unasked('established')
  const open = builtInFor(list.open, packet)
  if (open !== undefined) return unasked('builtIn', open)
  const steps: WalkStep[] = []
  for (const rule of list.rules) {
    const part = unfit(rule, list, packet)
    const { provenance } = rule
    if (part !== undefined) {
      steps.push({ provenance, matched: false, why: reasons[part](rule, list, packet) })
      continue
    }
    steps.push({ provenance, matched: true, why: `matches: ${rule.action}` })
    const { group, priority } = provenance
    const decidedBy: Decision =
      priority === 'members' ? { type: 'members', group } : { type: 'rule', group, priority }
    return { verdict: rule.action, decidedBy, steps, rule, open: undefined }
  }
  return {
    verdict: list.defaultAction,
    decidedBy: { type: 'default' },
    steps,
    rule: undefined,
    open: undefined,
  }
}

type Part = 'family' | 'protocol' | 'ports' | 'icmp' | 'peer'

/** The first part of the rule that does not fit the packet, or undefined where all fits. */
function unfit(rule: FlatRule, list: FlatList, packet: Packet): Part | undefined {
  if (!rule.families.includes(packet.family)) return 'family'
  if (rule.protocol !== 'all' && rule.protocol !== packet.protocol) return 'protocol'
  if (rule.ports !== undefined && !fitsPorts(rule.ports, packet)) return 'ports'
  if (rule.icmp !== undefined) {
    const { type, code } = rule.icmp
    const found = packet.icmp
    if (found?.type !== type || (code !== undefined && found.code !== code)) return 'icmp'
  }
  return rule.peer === undefined || fitsPeer(rule.peer, list, packet) ? undefined : 'peer'
}

function fitsPorts(ports: NonNullable<FlatRule['ports']>, packet: Packet): boolean {
  const port = hasPorts(packet.protocol) ? packet.destinationPort : undefined
  if (port === undefined) return false
  return ports.some(({ first, last }) => first <= port && port <= last)
}

function fitsPeer(
  peer: NonNullable<FlatRule['peer']>,
  { direction, membership }: FlatList,
  packet: Packet,
): boolean {
  const address = direction === 'inbound' ? packet.source : packet.destination
  const family: AddressFamily = packet.family
  if (peer.ranges.some(({ first, last }) => first <= address && address <= last)) return true
  return peer.groups.some((group) => membership.addressesOf(group, family).has(address))
}

/** What people are told of a part that does not fit. */
const reasons: Readonly<Record<Part, (rule: FlatRule, list: FlatList, packet: Packet) => string>> =
  {
    family: ({ families }, _, { family }) =>
      `is for ${families.join(' and ')}, the packet is ${family}`,
    protocol: ({ protocol }, _, packet) =>
      `protocol is ${protocolWord(Number(protocol))}, the packet's is ${protocolWord(packet.protocol)}`,
    ports: ({ ports = [] }, _, { protocol, destinationPort }) => {
      const wanted = ports.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
      const found = hasPorts(protocol) ? destinationPort : undefined
      return `ports are ${wanted.join(', ')}, the packet's is ${found ?? 'not known'}`
    },
    icmp: ({ icmp }, _, { icmp: found }) => {
      const code = icmp?.code === undefined ? '' : ` code ${icmp.code}`
      const shown = found === undefined ? 'not known' : `type ${found.type} code ${found.code}`
      return `icmp is type ${icmp?.type}${code}, the packet's is ${shown}`
    },
    peer: ({ peer }, { direction }) => {
      const names = (peer?.groups ?? []).map((group) => `group ${group}`)
      if (peer !== undefined && peer.ranges.length > 0) names.unshift('the named addresses')
      const side = direction === 'inbound' ? 'source' : 'destination'
      return `${side} is not of ${names.join(', ') || 'anybody'}`
    },
  }
