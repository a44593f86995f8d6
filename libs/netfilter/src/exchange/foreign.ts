import type { AddressFamily } from '@purlin/base'
import type { Located } from './located.ts'
import type { FilePlace, FileRule, Problems } from './rule-file.ts'

/** The names that protocols have elsewhere and not in a rule here, with their numbers (IANA). */
const PROTOCOLS: Readonly<Record<string, number>> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  igmp: 2,
  ipip: 4,
  'ipv6-encap': 41,
  'ipv6-frag': 44,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  'ipv6-route': 43,
  ospf: 89,
  pgm: 113,
  rsvp: 46,
  udplite: 136,
  vrrp: 112,
}
const OWN: readonly string[] = ['tcp', 'udp', 'sctp']

/** A protocol of another installation as a rule here names it, or undefined where it has no such
 *  name. ICMP of either version must go with its family: `icmpv6` with ipv4 is undefined, too. */
export function foreignProtocol(word: string, family: AddressFamily): string | number | undefined {
  const name = word.toLowerCase()
  if (name === '' || name === 'any' || name === 'all' || name === '-1') return 'all'
  if (OWN.includes(name)) return name
  const isIcmp6 = name === 'icmpv6' || name === 'ipv6-icmp' || name === '58'
  if (isIcmp6) return family === 'ipv6' ? 'icmp' : name === '58' ? 58 : undefined
  if (name === 'icmp' || name === '1') return family === 'ipv4' ? 'icmp' : undefined
  if (/^\d{1,3}$/.test(name)) return numberedProtocol(Number(name))
  return PROTOCOLS[name]
}

function numberedProtocol(number: number): string | number {
  return ({ 6: 'tcp', 17: 'udp', 132: 'sctp' } as const)[number] ?? number
}

/** A network that is every address of its family. */
export function isEveryone(text: string): boolean {
  return text === '0.0.0.0/0' || text === '::/0'
}

/** The text of a field; null, absent and blank are undefined. What is neither text nor number is a
 *  problem. */
export function textOf(field: Located | undefined, problems: Problems): string | undefined {
  const value = field?.value
  if (field === undefined || value === null || value === undefined) return undefined
  if (typeof value === 'string') return value.trim() === '' ? undefined : value.trim()
  if (typeof value === 'number') return String(value)
  problems.add(field, 'must be a text or a number')
  return undefined
}

/** Names the fields of `row` that are neither read nor without meaning for a rule; a field that
 *  says nothing (null, blank, an empty list) is none of them. */
export function refuseUnknown(row: Located, known: readonly string[], problems: Problems): void {
  for (const [name, field] of row.fields()) {
    const { value } = field
    const silent = value === null || value === '' || (Array.isArray(value) && value.length === 0)
    if (known.includes(name) || silent) continue
    problems.add(field, 'unknown field: what it says would be lost, so nothing is imported')
  }
}

/** A rule of which each field has the place that `places` names for its first word; else that of
 *  the row. */
export function foreignRule(
  direction: FileRule['direction'],
  rule: Readonly<Record<string, unknown>>,
  row: FilePlace,
  places: Readonly<Record<string, FilePlace | undefined>>,
): FileRule {
  return {
    direction,
    rule,
    line: row.line,
    path: row.path,
    placeOf: (field) => places[/^[a-zA-Z]*/.exec(field)?.[0] ?? ''] ?? row,
  }
}
