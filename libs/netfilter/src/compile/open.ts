import { type AddressFamily, shortHash } from '@purlin/base'
import { type BuiltIn, builtInsOf } from '../policy/built-in.ts'
import type { Direction, FilteredNic } from '../policy/desired.ts'
import type { CompiledOpen, CompiledRule, Match } from './ruleset.ts'

/** What passes before the lists of a NIC, as rules. Pure. */
export function compileOpen(
  nic: Pick<FilteredNic, 'alwaysOpen' | 'servers'>,
  direction: Direction,
): CompiledOpen {
  const builtIns = builtInsOf(nic, direction)
  const ipv4 = rulesOf(builtIns, 'ipv4')
  const ipv6 = rulesOf(builtIns, 'ipv6')
  const text = JSON.stringify([ipv4, ipv6], (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  )
  return { key: shortHash(text, 12), ipv4, ipv6 }
}

function rulesOf(builtIns: readonly BuiltIn[], family: AddressFamily): readonly CompiledRule[] {
  const own = builtIns.filter((one) => one.family === family)
  return own.flatMap((one) => {
    const types = one.icmpTypes ?? [undefined]
    return types.map((type): CompiledRule => {
      const matches = [...sourceMatches(one), ...transportMatches(one, type)]
      return { id: `open/${one.name}`, matches, verdict: 'accept', log: false }
    })
  })
}

function sourceMatches({ sources, family }: BuiltIn): readonly Match[] {
  if (sources === undefined) return []
  const ranges = sources
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((value) => ({ family, first: value, last: value }))
  return [{ on: 'address', side: 'source', ranges }]
}

function transportMatches(one: BuiltIn, type: number | undefined): readonly Match[] {
  const { protocol, sourcePort, destinationPort, related } = one
  const matches: Match[] = []
  if (sourcePort !== undefined) matches.push({ on: 'source-port', protocol, port: sourcePort })
  if (destinationPort !== undefined) {
    const ranges = [{ first: destinationPort, last: destinationPort }]
    matches.push({ on: 'ports', protocol, ranges })
  }
  if (type !== undefined) matches.push({ on: 'icmp', protocol, type, code: undefined })
  if (related === true) matches.push({ on: 'protocol', protocol }, { on: 'related' })
  return matches
}
