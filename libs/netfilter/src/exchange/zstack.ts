import { type AddressFamily, parseAddress } from '@purlin/base'
import type { Direction } from '../policy/desired.ts'
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
  'uuid',
  'securityGroupUuid',
  'type',
  'ipVersion',
  'protocol',
  'state',
  'priority',
  'description',
  'srcIpRange',
  'dstIpRange',
  'srcPortRange',
  'dstPortRange',
  'startPort',
  'endPort',
  'allowedCidr',
  'action',
  'remoteSecurityGroupUuid',
  'createDate',
  'lastOpDate',
]

/** A row whose rule could be read, with its priority there: 0 is the rule among the members. */
interface Row {
  readonly row: Located
  readonly direction: Direction
  readonly priority: number | undefined
}

/** Reads rules with ZStack's fields (SecurityGroupRuleInventory and the rules that
 *  AddSecurityGroupRule takes): a list, or an answer with `inventories`, `inventory` or `rules`.
 *  Its priorities 1 to n become 0 to n-1 in their order; its rules of priority 0, one a direction
 *  and IP version, are the members rule. Pure. */
export function readZstack(root: Located, options: ReadOptions): RuleFile {
  const problems = new Problems()
  const rows = rowsOf(root, options, problems).flatMap((row) => readRow(row, problems) ?? [])
  const members = rows.filter(({ priority }) => priority === 0)
  const allowWithinGroup = membersRuleOf(members, problems)
  const rules = (['inbound', 'outbound'] as const).flatMap((direction) =>
    ordered(
      rows.filter((one) => one.direction === direction && one.priority !== 0),
      problems,
    ).flatMap(({ row }) => ruleOf(row, direction, options, problems) ?? []),
  )
  return {
    format: 'zstack',
    ...(allowWithinGroup !== undefined && { allowWithinGroup }),
    rules,
    problems: problems.found,
  }
}

function rowsOf(root: Located, { from }: ReadOptions, problems: Problems): readonly Located[] {
  const answer = root.fields().get('inventory') ?? root
  const fields = answer.fields()
  const listed = fields.get('inventories') ?? fields.get('rules') ?? answer
  if (!Array.isArray(listed.value)) problems.add(listed, 'must be a list of rules')
  const rows = listed.items()
  const groupOf = (row: Located): string | undefined =>
    textOf(row.fields().get('securityGroupUuid'), problems)
  if (from !== undefined) return rows.filter((row) => groupOf(row) === from)
  const groups = [...new Set(rows.map(groupOf).filter((name) => name !== undefined))]
  if (groups.length <= 1) return rows
  const message = `holds rules of ${groups.length} groups; say which one is meant: ${groups.join(', ')}`
  problems.add(listed, message)
  return []
}

function readRow(row: Located, problems: Problems): Row | undefined {
  const fields = row.fields()
  const type = textOf(fields.get('type'), problems)
  const direction = ({ Ingress: 'inbound', Egress: 'outbound' } as const)[type ?? '']
  if (direction === undefined) {
    const message = `must be Ingress or Egress, found "${type ?? ''}"`
    problems.add(fields.get('type') ?? row, message)
    return undefined
  }
  const priority = Number(textOf(fields.get('priority'), problems) ?? -1)
  return { row, direction, priority: priority < 0 ? undefined : priority }
}

/** Ours is one switch for both directions, so all of theirs must say the same. */
function membersRuleOf(members: readonly Row[], problems: Problems): boolean | undefined {
  const states = members.map(
    ({ row }) => textOf(row.fields().get('state'), problems) !== 'Disabled',
  )
  const [first] = states
  const other = members.find((_member, index) => states[index] !== first)
  if (other === undefined) return first
  const message =
    'rules of priority 0 differ: the members rule is on or off for both directions at once'
  problems.add(other.row.fields().get('state') ?? other.row, message)
  return undefined
}

/** In the order of their priorities, which are 1 to n; rules without one go behind the others. */
function ordered(rows: readonly Row[], problems: Problems): readonly Row[] {
  const last = (row: Row): number => row.priority ?? Number.POSITIVE_INFINITY
  const sorted = rows.toSorted((a, b) => (last(a) === last(b) ? 0 : last(a) - last(b)))
  sorted.forEach(({ row, priority }, index) => {
    if (priority === undefined || priority === index + 1) return
    const message = `must be ${index + 1}, found ${priority}: priorities are unique and have no gaps`
    problems.add(row.fields().get('priority') ?? row, message)
  })
  return sorted
}

function ruleOf(
  row: Located,
  direction: Direction,
  options: ReadOptions,
  problems: Problems,
): FileRule | undefined {
  const before = problems.found.length
  refuseUnknown(row, KNOWN, problems)
  const fields = row.fields()
  const text = (name: string): string | undefined => textOf(fields.get(name), problems)
  const refuse = (name: string, message: string): void =>
    problems.add(fields.get(name) ?? row, message)
  const family = familyOf(text('ipVersion'), text('srcIpRange') ?? text('dstIpRange'))
  if (family === undefined) refuse('ipVersion', `must be 4 or 6, found "${text('ipVersion')}"`)
  const protocol = foreignProtocol(protocolWord(text('protocol'), family), family ?? 'ipv4')
  if (protocol === undefined) refuse('protocol', `protocol "${text('protocol')}" is not known`)
  const action = ({ ACCEPT: 'allow', DROP: 'deny' } as const)[text('action') ?? 'ACCEPT']
  if (action === undefined) refuse('action', `must be ACCEPT or DROP, found "${text('action')}"`)
  const enabled = ({ Enabled: true, Disabled: false } as const)[text('state') ?? 'Enabled']
  if (enabled === undefined) {
    refuse('state', `must be Enabled or Disabled, found "${text('state')}"`)
  }
  if (text('srcPortRange') !== undefined) {
    refuse('srcPortRange', 'source ports cannot be expressed: rules match destination ports')
  }
  const [near, far] =
    direction === 'inbound' ? ['dstIpRange', 'srcIpRange'] : ['srcIpRange', 'dstIpRange']
  if (text(near ?? '') !== undefined) {
    refuse(near ?? '', `cannot be expressed: ${direction} rules name the other end, ${far}`)
  }
  const peer = peerOf(row, far ?? '', options, problems)
  const detail = detailOf(row, protocol, problems)
  if (problems.found.length > before) return undefined
  const side = direction === 'inbound' ? 'source' : 'destination'
  const id = text('uuid')
  const description = fields.get('description')
  const rule = {
    ...(id !== undefined && { id }),
    family,
    protocol,
    ...detail,
    ...(peer && { [side]: peer }),
    action,
    enabled,
    ...(typeof description?.value === 'string' && { description: description.value }),
  }
  return foreignRule(direction, rule, row, {
    id: fields.get('uuid'),
    family: fields.get('ipVersion'),
    protocol: fields.get('protocol'),
    ports: fields.get('dstPortRange') ?? fields.get('startPort'),
    icmp: fields.get('startPort'),
    [side]: fields.get(far ?? '') ?? fields.get('allowedCidr'),
    description,
  })
}

function familyOf(
  version: string | undefined,
  ranges: string | undefined,
): AddressFamily | undefined {
  if (version === undefined) return ranges?.includes(':') ? 'ipv6' : 'ipv4'
  return ({ 4: 'ipv4', 6: 'ipv6' } as const)[version]
}

/** There, ICMP with IP version 6 is ICMPv6, as here. */
function protocolWord(word: string | undefined, family: AddressFamily | undefined): string {
  if (word?.toUpperCase() === 'ICMP') return family === 'ipv6' ? 'icmpv6' : 'icmp'
  return word ?? 'ALL'
}

function peerOf(
  row: Located,
  far: string,
  options: ReadOptions,
  problems: Problems,
): object | undefined {
  const fields = row.fields()
  const ranges = textOf(fields.get(far), problems)
  const allowed = textOf(fields.get('allowedCidr'), problems)
  const cidr = allowed === undefined || isEveryone(allowed) ? undefined : allowed
  const remote = textOf(fields.get('remoteSecurityGroupUuid'), problems)
  const named = [ranges, cidr].filter((one) => one !== undefined)
  if (remote === undefined) {
    const words = named.flatMap((list) => list.split(',')).map((word) => word.trim())
    return words.length === 0 ? undefined : addressesOf(words)
  }
  const place = fields.get('remoteSecurityGroupUuid') ?? row
  if (named.length > 0) {
    problems.add(place, `a group and the addresses ${named.join(',')} at once cannot be expressed`)
    return undefined
  }
  if (remote === textOf(fields.get('securityGroupUuid'), problems)) return { self: true }
  return mappedGroup(remote, options, place, problems)
}

function addressesOf(words: readonly string[]): object {
  const cidrs = words.filter((word) => word.includes('/'))
  const addresses = words.filter((word) => parseAddress(word) !== undefined)
  const ranges = words.filter((word) => !cidrs.includes(word) && !addresses.includes(word))
  return {
    ...(cidrs.length > 0 && { cidrs }),
    ...(addresses.length > 0 && { addresses }),
    ...(ranges.length > 0 && { ranges }),
  }
}

/** Ports as a list, or in the older pair of fields, which with ICMP are its type and code; -1 says
 *  nothing. */
function detailOf(row: Located, protocol: unknown, problems: Problems): object {
  const fields = row.fields()
  const list = textOf(fields.get('dstPortRange'), problems)
  const [first, last] = ['startPort', 'endPort'].map((name) => {
    const text = textOf(fields.get(name), problems)
    return text === '-1' ? undefined : text
  })
  if (list !== undefined && first !== undefined) {
    const place = fields.get('startPort') ?? row
    problems.add(place, 'dstPortRange and startPort at once cannot be expressed')
  }
  if (list !== undefined) return { ports: list.split(',').map((port) => port.trim()) }
  if (first === undefined) return {}
  if (protocol === 'icmp') {
    return { icmp: { type: Number(first), ...(last !== undefined && { code: Number(last) }) } }
  }
  return { ports: [last === undefined || last === first ? first : `${first}-${last}`] }
}
