import type {
  InboundRule,
  OutboundRule,
  RuleFormat,
  RulePeer,
  SecurityGroupSpec,
} from '@purlin/schema'
import { stringify } from 'yaml'
import { csvLine } from './csv.ts'

/** The columns of the CSV form. Lists stand in one field with blanks between. */
export const csvColumns = [
  'direction',
  'priority',
  'id',
  'action',
  'family',
  'protocol',
  'ports',
  'icmpType',
  'icmpCode',
  'cidrs',
  'addresses',
  'ranges',
  'groups',
  'self',
  'enabled',
  'log',
  'description',
] as const
export type CsvColumn = (typeof csvColumns)[number]

/** A group's rules as a file. What an import reads of it is equal in every field. Pure. */
export function exportRules(name: string, spec: SecurityGroupSpec, format: RuleFormat): string {
  if (format === 'csv') return csvText(spec)
  const content = {
    securityGroup: name,
    inbound: spec.inbound.map((rule) => shortRule(rule, 'source', rule.source)),
    outbound: spec.outbound.map((rule) => shortRule(rule, 'destination', rule.destination)),
  }
  return format === 'json' ? `${JSON.stringify(content, null, 2)}\n` : stringify(content)
}

/** The rule without what is so anyway. */
function shortRule(
  rule: InboundRule | OutboundRule,
  side: 'source' | 'destination',
  peer: RulePeer | undefined,
): Readonly<Record<string, unknown>> {
  const { id, family, protocol, ports, icmp, action, enabled, log, description } = rule
  const named = Object.entries(peer ?? {}).filter(
    ([, value]) => value === true || (Array.isArray(value) && value.length > 0),
  )
  return {
    ...(id !== undefined && { id }),
    family,
    protocol,
    ...(ports && { ports }),
    ...(icmp && { icmp }),
    ...(peer && { [side]: Object.fromEntries(named) }),
    action,
    ...(!enabled && { enabled }),
    ...(log && { log }),
    ...(description !== undefined && { description }),
  }
}

function csvText(spec: SecurityGroupSpec): string {
  return [
    csvLine(csvColumns),
    ...spec.inbound.map((rule, index) => csvRow('inbound', index, rule, rule.source)),
    ...spec.outbound.map((rule, index) => csvRow('outbound', index, rule, rule.destination)),
  ].join('')
}

function csvRow(
  direction: string,
  priority: number,
  rule: InboundRule | OutboundRule,
  peer: RulePeer | undefined,
): string {
  const list = (values: readonly string[] | undefined): string | undefined =>
    values === undefined || values.length === 0 ? undefined : values.join(' ')
  const row: Readonly<Record<CsvColumn, string | undefined>> = {
    direction,
    priority: String(priority),
    id: rule.id,
    action: rule.action,
    family: rule.family,
    protocol: String(rule.protocol),
    ports: list(rule.ports),
    icmpType: rule.icmp && String(rule.icmp.type),
    icmpCode: rule.icmp?.code === undefined ? undefined : String(rule.icmp.code),
    cidrs: list(peer?.cidrs),
    addresses: list(peer?.addresses),
    ranges: list(peer?.ranges),
    groups: list(peer?.groups),
    self: String(peer?.self ?? false),
    enabled: String(rule.enabled),
    log: String(rule.log),
    description: rule.description,
  }
  return csvLine(csvColumns.map((column) => row[column]))
}
