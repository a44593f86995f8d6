import type { InboundRule, OutboundRule, Resource, RulePeer } from '@purlin/schema'
import type { Cell, Table } from '../output/table.ts'

/** The rules of a group in the order in which they decide: the members rule, then each list.
 *  Pure. */
export function ruleTable({ spec }: Resource<'SecurityGroup'>): Table {
  return {
    columns: ['DIRECTION', 'PRIORITY', 'ACTION', 'FAMILY', 'PROTOCOL', 'PORTS', 'PEER', 'ENABLED'],
    rows: [
      membersRow('inbound', spec.allowWithinGroup),
      ...spec.inbound.map((rule, index) => ruleRow('inbound', index, rule, rule.source)),
      membersRow('outbound', spec.allowWithinGroup),
      ...spec.outbound.map((rule, index) => ruleRow('outbound', index, rule, rule.destination)),
    ],
    empty: 'no rule',
  }
}

function membersRow(direction: string, enabled: boolean): readonly Cell[] {
  const action: Cell = { text: 'allow', tone: 'good' }
  return [direction, 'members', action, 'any', 'all', 'any', 'self', enabled ? 'yes' : 'no']
}

function ruleRow(
  direction: string,
  priority: number,
  rule: InboundRule | OutboundRule,
  peer: RulePeer | undefined,
): readonly Cell[] {
  const { action, family, protocol, ports, icmp, enabled } = rule
  const kind =
    icmp === undefined ? '' : ` ${icmp.type}${icmp.code === undefined ? '' : `/${icmp.code}`}`
  return [
    direction,
    String(priority),
    { text: action, tone: action === 'allow' ? 'good' : 'bad' },
    family,
    `${protocol}${kind}`,
    ports?.join(',') ?? 'any',
    peerText(peer),
    enabled ? 'yes' : 'no',
  ]
}

function peerText(peer: RulePeer | undefined): string {
  if (peer === undefined) return 'anyone'
  return [
    ...peer.cidrs,
    ...peer.addresses,
    ...peer.ranges,
    ...peer.groups.map((name) => `group:${name}`),
    ...(peer.self ? ['self'] : []),
  ].join(',')
}
