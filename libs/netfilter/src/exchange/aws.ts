import type { AddressFamily } from '@purlin/base'
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

const PERMISSION = [
  'IpProtocol',
  'FromPort',
  'ToPort',
  'IpRanges',
  'Ipv6Ranges',
  'UserIdGroupPairs',
  'PrefixListIds',
]
const PAIR = ['GroupId', 'GroupName', 'UserId', 'VpcId', 'Description']
const LAST_PORT = 65_535
const FAMILIES = ['ipv4', 'ipv6'] as const

/** Reads what `aws ec2 describe-security-groups` prints (EC2 API, IpPermission). Its rules only
 *  allow; each source of a permission becomes a rule with the source's own description, and a
 *  group, which speaks of both families there, one for each. Pure. */
export function readAws(root: Located, options: ReadOptions): RuleFile {
  const problems = new Problems()
  const listed = root.fields().get('SecurityGroups') ?? root
  const group = chosenGroup(listed, options, problems)
  const own = textOf(group?.fields().get('GroupId'), problems)
  const groups =
    own === undefined || options.groups.has(own)
      ? options.groups
      : new Map([...options.groups, [own, 'self']])
  const lists: readonly (readonly [string, Direction])[] = [
    ['IpPermissions', 'inbound'],
    ['IpPermissionsEgress', 'outbound'],
  ]
  const rules = lists.flatMap(([name, direction]) =>
    (group?.fields().get(name)?.items() ?? []).flatMap((permission) =>
      rulesOf(permission, direction, { ...options, groups }, problems),
    ),
  )
  return { format: 'aws', rules, problems: problems.found }
}

function chosenGroup(
  listed: Located,
  { from }: ReadOptions,
  problems: Problems,
): Located | undefined {
  const groups = listed.items()
  const nameOf = (group: Located): string[] =>
    ['GroupId', 'GroupName'].flatMap((name) => textOf(group.fields().get(name), problems) ?? [])
  const fitting = from === undefined ? groups : groups.filter((one) => nameOf(one).includes(from))
  if (fitting.length === 1) return fitting[0]
  const known = groups.map((group) => nameOf(group).join(' ')).join(', ') || 'none'
  const what = fitting.length === 0 ? 'no such group' : `${fitting.length} groups`
  problems.add(listed, `${what}; say which one of the file is meant; it has: ${known}`)
  return undefined
}

function rulesOf(
  permission: Located,
  direction: Direction,
  options: ReadOptions,
  problems: Problems,
): readonly FileRule[] {
  refuseUnknown(permission, PERMISSION, problems)
  const fields = permission.fields()
  const items = (name: string): readonly Located[] => fields.get(name)?.items() ?? []
  for (const list of items('PrefixListIds')) {
    problems.add(list, 'prefix lists cannot be expressed; write their networks as IpRanges')
  }
  const sources: readonly (readonly [Located, AddressFamily, 'CidrIp' | 'CidrIpv6' | 'GroupId'])[] =
    [
      ...items('IpRanges').map((one) => [one, 'ipv4', 'CidrIp'] as const),
      ...items('Ipv6Ranges').map((one) => [one, 'ipv6', 'CidrIpv6'] as const),
      ...items('UserIdGroupPairs').flatMap((one) =>
        familiesOf(permission, problems).map((family) => [one, family, 'GroupId'] as const),
      ),
    ]
  if (sources.length === 0 && items('PrefixListIds').length === 0) {
    problems.add(permission, 'names nobody: it has no IpRanges, Ipv6Ranges or UserIdGroupPairs')
  }
  return sources.flatMap(([source, family, field]) => {
    refuseUnknown(source, field === 'GroupId' ? PAIR : [field, 'Description'], problems)
    const named = textOf(source.fields().get(field), problems)
    if (named === undefined) {
      problems.add(source, `${field} is missing`)
      return []
    }
    const place = source.fields().get(field) ?? source
    const detail = detailOf(permission, family, problems)
    const peer =
      field === 'GroupId'
        ? mappedGroup(named, options, place, problems)
        : isEveryone(named)
          ? undefined
          : { cidrs: [named] }
    if (detail === undefined || (field === 'GroupId' && peer === undefined)) return []
    const description = source.fields().get('Description')
    const side = direction === 'inbound' ? 'source' : 'destination'
    const rule = {
      family,
      ...detail,
      ...(peer && { [side]: peer }),
      action: 'allow',
      ...(typeof description?.value === 'string' && { description: description.value }),
    }
    return foreignRule(direction, rule, source, {
      protocol: fields.get('IpProtocol'),
      ports: fields.get('FromPort'),
      icmp: fields.get('FromPort'),
      [side]: place,
      description,
    })
  })
}

/** Of a permission for a group: ICMP of one version is of one family. */
function familiesOf(permission: Located, problems: Problems): readonly AddressFamily[] {
  const word = textOf(permission.fields().get('IpProtocol'), problems)?.toLowerCase() ?? ''
  if (['icmpv6', '58'].includes(word)) return ['ipv6']
  return ['icmp', '1'].includes(word) ? ['ipv4'] : FAMILIES
}

function detailOf(
  permission: Located,
  family: AddressFamily,
  problems: Problems,
): object | undefined {
  const fields = permission.fields()
  const word = textOf(fields.get('IpProtocol'), problems)
  const protocol = word === undefined ? undefined : foreignProtocol(word, family)
  if (protocol === undefined) {
    const message = `protocol "${word ?? ''}" is not known with ${family}`
    problems.add(fields.get('IpProtocol') ?? permission, message)
    return undefined
  }
  const numberIn = (name: string): number => {
    const text = textOf(fields.get(name), problems)
    return text === undefined ? -1 : Number(text)
  }
  const [first, last] = [numberIn('FromPort'), numberIn('ToPort')]
  if (protocol === 'icmp') {
    if (first === -1) return { protocol }
    return { protocol, icmp: { type: first, ...(last !== -1 && { code: last }) } }
  }
  const everyPort = (first === -1 && last === -1) || (first === 0 && last === LAST_PORT)
  // Other protocols have no ports there either: what the fields say of them has no effect.
  if (everyPort || !['tcp', 'udp', 'sctp'].includes(String(protocol))) return { protocol }
  return { protocol, ports: [first === last ? String(first) : `${first}-${last}`] }
}
