import type { AddressFamily } from '@purlin/base'
import { foreignProtocol, foreignRule, isEveryone, refuseUnknown, textOf } from './foreign.ts'
import type { Located } from './located.ts'
import {
  type FileRule,
  mappedGroup,
  Problems,
  type ReadOptions,
  type RuleFile,
} from './rule-file.ts'

const KNOWN = [
  'ID',
  'IP Protocol',
  'Ethertype',
  'IP Range',
  'Port Range',
  'Direction',
  'Remote Security Group',
  'Remote Address Group',
  'Security Group',
]

/** Reads what `openstack security group rule list GROUP -f json` prints (python-openstackclient,
 *  network v2 security_group_rule). Its rules only allow and have no order, so theirs becomes that
 *  of the file; each keeps its identifier. Pure. */
export function readOpenStack(root: Located, options: ReadOptions): RuleFile {
  const problems = new Problems()
  if (!Array.isArray(root.value)) {
    problems.add(root, 'must be a list of rules, as `rule list -f json` prints it')
  }
  const rows = rowsOf(root, options, problems)
  const rules = rows.flatMap((row) => ruleOf(row, options, problems) ?? [])
  return { format: 'openstack', rules, problems: problems.found }
}

function rowsOf(root: Located, { from }: ReadOptions, problems: Problems): readonly Located[] {
  const rows = root.items()
  const groupOf = (row: Located): string | undefined =>
    textOf(row.fields().get('Security Group'), problems)
  if (from !== undefined) return rows.filter((row) => groupOf(row) === from)
  const groups = [...new Set(rows.map(groupOf).filter((name) => name !== undefined))]
  if (groups.length > 1) {
    const message = `holds rules of ${groups.length} groups; say which one is meant: ${groups.join(', ')}`
    problems.add(root, message)
    return []
  }
  return rows
}

function ruleOf(row: Located, options: ReadOptions, problems: Problems): FileRule | undefined {
  const before = problems.found.length
  refuseUnknown(row, KNOWN, problems)
  const fields = row.fields()
  const place = (name: string) => fields.get(name) ?? row
  const text = (name: string): string | undefined => textOf(fields.get(name), problems)
  const direction = ({ ingress: 'inbound', egress: 'outbound' } as const)[
    text('Direction')?.toLowerCase() ?? ''
  ]
  if (direction === undefined) {
    const message = `must be ingress or egress, found "${text('Direction') ?? ''}"; older clients print it with --long`
    problems.add(place('Direction'), message)
  }
  const family = familyOf(text('Ethertype'), text('IP Range'))
  if (family === undefined) {
    problems.add(place('Ethertype'), `must be IPv4 or IPv6, found "${text('Ethertype') ?? ''}"`)
  }
  if (text('Remote Address Group') !== undefined) {
    const message = 'address groups cannot be expressed; write their networks as IP ranges'
    problems.add(place('Remote Address Group'), message)
  }
  if (direction === undefined || family === undefined) return undefined
  const word = text('IP Protocol') ?? ''
  const protocol = foreignProtocol(word, family)
  if (protocol === undefined) {
    problems.add(place('IP Protocol'), `protocol "${word}" is not known with ${family}`)
  }
  const peer = peerOf(row, options, problems)
  const detail = detailOf(text('Port Range'), protocol)
  if (detail === undefined) {
    const message = `must be FIRST:LAST or type=TYPE:code=CODE, found "${text('Port Range') ?? ''}"`
    problems.add(place('Port Range'), message)
  }
  if (problems.found.length > before) return undefined
  const id = text('ID')
  const side = direction === 'inbound' ? 'source' : 'destination'
  const rule = {
    ...(id !== undefined && { id }),
    family,
    protocol,
    ...detail,
    ...(peer && { [side]: peer }),
    action: 'allow',
  }
  return foreignRule(direction, rule, row, {
    id: fields.get('ID'),
    family: fields.get('Ethertype'),
    protocol: fields.get('IP Protocol'),
    ports: fields.get('Port Range'),
    icmp: fields.get('Port Range'),
    [side]: fields.get(text('Remote Security Group') ? 'Remote Security Group' : 'IP Range'),
  })
}

function familyOf(
  ethertype: string | undefined,
  range: string | undefined,
): AddressFamily | undefined {
  const word = ethertype?.toLowerCase()
  if (word === 'ipv4' || word === 'ipv6') return word
  if (word !== undefined || range === undefined) return undefined
  return range.includes(':') ? 'ipv6' : 'ipv4'
}

/** A rule names a range or a group; with a group the client prints everyone as its range. */
function peerOf(row: Located, options: ReadOptions, problems: Problems): object | undefined {
  const fields = row.fields()
  const range = textOf(fields.get('IP Range'), problems)
  const group = textOf(fields.get('Remote Security Group'), problems)
  const named = range !== undefined && !isEveryone(range) ? range : undefined
  if (group === undefined) return named === undefined ? undefined : { cidrs: [named] }
  const place = fields.get('Remote Security Group') ?? row
  if (named === undefined) return mappedGroup(group, options, place, problems)
  problems.add(place, `a group and the range ${named} at once cannot be expressed`)
  return undefined
}

/** Ports, or ICMP type and code: `22:24`, `type=3:code=0`, or with ICMP `3:0`. */
function detailOf(range: string | undefined, protocol: unknown): object | undefined {
  if (range === undefined) return {}
  const named = /^type=(\d{1,3})(?::code=(\d{1,3}))?$/.exec(range)
  const plain = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(range)
  const [, first, last] = named ?? plain ?? []
  if (first === undefined || (named !== null && protocol !== 'icmp')) return undefined
  if (protocol === 'icmp') {
    const code = last === undefined ? {} : { code: Number(last) }
    return { icmp: { type: Number(first), ...code } }
  }
  return { ports: [last === undefined || last === first ? first : `${first}-${last}`] }
}
