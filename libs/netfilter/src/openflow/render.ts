import { formatAddress } from '@purlin/base'
import { cookieOf, type FieldMatch, type Flow, type FlowAction, registers } from './flow.ts'
import { connectionBits, etherTypes, tcpBits } from './match.ts'

/** Flows as a file for `ovs-ofctl --bundle add-flows BRIDGE FILE`: one a line, by table and
 *  priority, with the origin of each cookie above its first flow. Pure. */
export function renderFlows(flows: readonly Flow[]): string {
  const told = new Set<string>()
  const lines = ordered(flows).flatMap((flow) => {
    const origin = told.has(flow.origin) ? [] : [`# ${cookieOf(flow.origin)} ${flow.origin}`]
    told.add(flow.origin)
    return [...origin, flowText(flow)]
  })
  return `${lines.join('\n')}\n`
}

/** One flow as `ovs-ofctl` takes it. Pure. */
export function flowText({ table, priority, match, actions, origin }: Flow): string {
  const head = `cookie=${cookieOf(origin)},table=${table},priority=${priority}`
  const conditions = match.length === 0 ? '' : `,${conditionsText(match)}`
  return `${head}${conditions},actions=${actionsText(actions)}`
}

function ordered(flows: readonly Flow[]): readonly Flow[] {
  return flows.toSorted((a, b) => a.table - b.table || b.priority - a.priority)
}

/** What `ovs-ofctl` calls an EtherType, and with it the transport protocols that have a word. */
const words: Readonly<
  Record<string, { word: string; transports: Readonly<Record<string, string>> }>
> = {
  [etherTypes.ipv4]: { word: 'ip', transports: { 1: 'icmp', 6: 'tcp', 17: 'udp', 132: 'sctp' } },
  [etherTypes.ipv6]: {
    word: 'ipv6',
    transports: { 6: 'tcp6', 17: 'udp6', 58: 'icmp6', 132: 'sctp6' },
  },
  [etherTypes.arp]: { word: 'arp', transports: {} },
}

/** Conditions as `ovs-ofctl` and `ofproto/trace` take them. The protocol stands as a word where it
 *  has one, and ports and ICMP types by the names that belong to it: the common names are refused
 *  where they are not those of TCP. Pure. */
export function conditionsText(match: readonly FieldMatch[]): string {
  const askedOf = (field: FieldMatch['field']): string =>
    String(match.find((one) => one.field === field)?.value ?? '')
  const ether = words[askedOf('dl_type')]
  const transport = ether?.transports[askedOf('nw_proto')]
  const bare = transport?.replace('6', '') ?? ''
  const names: Readonly<Record<string, string>> = {
    tp_src: `${bare}_src`,
    tp_dst: `${bare}_dst`,
    icmp_type: transport === 'icmp6' ? 'icmpv6_type' : 'icmp_type',
    icmp_code: transport === 'icmp6' ? 'icmpv6_code' : 'icmp_code',
  }
  const texts = match.flatMap((one): string[] => {
    if (one.field === 'dl_type' && ether !== undefined) return [transport ?? ether.word]
    if (one.field === 'nw_proto' && transport !== undefined) return []
    return [fieldText(one, names[one.field] ?? one.field)]
  })
  return texts.join(',')
}

const connectionWords = wordsOf(connectionBits, {
  tracked: 'trk',
  established: 'est',
  related: 'rel',
  reply: 'rpl',
  invalid: 'inv',
})
const flagWords = wordsOf(tcpBits, {})

function fieldText({ field, value, mask }: FieldMatch, name: string): string {
  if (typeof value === 'string') return `${name}=${value}`
  if (mask !== undefined && field === 'ct_state') {
    return `${name}=${flagsText(connectionWords, value, mask)}`
  }
  if (mask !== undefined && field === 'tcp_flags') {
    return `${name}=${flagsText(flagWords, value, mask)}`
  }
  if (mask === undefined) return `${name}=${valueText(field, value)}`
  if (NETWORK_FIELDS.includes(field)) {
    return `${name}=${valueText(field, value)}/${prefixLength(mask)}`
  }
  return `${name}=${valueText(field, value, true)}/${valueText(field, mask, true)}`
}

const NETWORK_FIELDS: readonly FieldMatch['field'][] = [
  'arp_spa',
  'nw_src',
  'nw_dst',
  'ipv6_src',
  'ipv6_dst',
  'nd_target',
]

/** Of a mask whose bits stand at its high end, as those of networks do. */
function prefixLength(mask: bigint): number {
  return mask.toString(2).replace(/0+$/, '').length
}

function wordsOf<Name extends string>(
  bits: Readonly<Record<Name, number>>,
  shorter: Partial<Record<Name, string>>,
): readonly (readonly [bit: bigint, word: string])[] {
  const names = Object.keys(bits) as Name[]
  return names.map((name) => [BigInt(bits[name]), shorter[name] ?? name])
}

/** `+new-inv`: bits that must be set or not. */
function flagsText(
  words: readonly (readonly [bit: bigint, word: string])[],
  value: bigint,
  mask: bigint,
): string {
  return words
    .filter(([bit]) => (mask & bit) !== 0n)
    .map(([bit, word]) => `${(value & bit) === 0n ? '-' : '+'}${word}`)
    .join('')
}

function valueText(field: FieldMatch['field'], value: bigint, isMasked = false): string {
  switch (field) {
    case 'dl_src':
    case 'dl_dst':
    case 'arp_sha':
      return (value.toString(16).padStart(12, '0').match(/../g) ?? []).join(':')
    case 'arp_spa':
    case 'nw_src':
    case 'nw_dst':
      return formatAddress({ family: 'ipv4', value })
    case 'ipv6_src':
    case 'ipv6_dst':
    case 'nd_target':
      return formatAddress({ family: 'ipv6', value })
    case 'dl_type':
      return `0x${value.toString(16)}`
    default:
      return isMasked ? `0x${value.toString(16)}` : String(value)
  }
}

function actionsText(actions: readonly FlowAction[]): string {
  return actions.map(actionText).join(',')
}

function actionText(action: FlowAction): string {
  const zone = `zone=${registers.zone}[0..15]`
  switch (action.do) {
    case 'drop':
      return 'drop'
    case 'set':
      return `set_field:${action.value}->${action.register}`
    case 'set-network-from-tag':
      return `move:OXM_OF_VLAN_VID[0..11]->NXM_NX_REG5[0..11]`
    case 'go':
      return `resubmit(,${action.table})`
    case 'track':
      return `ct(table=${action.table},${zone})`
    case 'commit':
      return `ct(commit,${zone})`
    case 'conjunction':
      return `conjunction(${action.id},${action.clause}/${action.of})`
    case 'untag':
      return 'pop_vlan'
    case 'tag':
      return `push_vlan:0x8100,set_field:${0x1000 | action.vlan}->vlan_vid`
    case 'output':
      return `output:${action.port}`
    case 'copy':
      return `clone(${actionsText(action.actions)})`
  }
}
