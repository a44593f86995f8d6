import type { InboundRule, OutboundRule, Resource, RulePeer } from '@purlin/schema'
import type { Cell, Table } from '../output/table.ts'

type Lists = Pick<Resource<'SecurityGroup'>['spec'], 'allowWithinGroup' | 'inbound' | 'outbound'>

/** The rules of a group in the order in which they decide. Pure. */
export function ruleTable({ spec }: Resource<'SecurityGroup'>): Table {
  return listTable(spec)
}

/** Rules in the order in which they decide: the members rule, then each list. Pure. */
export function listTable(spec: Lists): Table {
  return {
    columns: [
      'DIRECTION',
      'PRIORITY',
      'ID',
      'ACTION',
      'FAMILY',
      'PROTOCOL',
      'PORTS',
      'PEER',
      'ENABLED',
      'LOG',
      'DESCRIPTION',
    ],
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
  return [direction, 'members', '', action, 'any', 'all', 'any', 'self', onCell(enabled), 'no', '']
}

function ruleRow(
  direction: string,
  priority: number,
  rule: InboundRule | OutboundRule,
  peer: RulePeer | undefined,
): readonly Cell[] {
  const { id, action, family, protocol, ports, icmp, enabled, log, description } = rule
  const kind =
    icmp === undefined ? '' : ` ${icmp.type}${icmp.code === undefined ? '' : `/${icmp.code}`}`
  return [
    direction,
    String(priority),
    id ?? '',
    { text: action, tone: action === 'allow' ? 'good' : 'bad' },
    family,
    `${protocol}${kind}`,
    ports?.join(',') ?? 'any',
    peerText(peer),
    onCell(enabled),
    log ? 'yes' : 'no',
    description ?? '',
  ]
}

function onCell(enabled: boolean): Cell {
  return enabled ? 'yes' : { text: 'no', tone: 'quiet' }
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
