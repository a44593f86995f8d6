import { type AddressFamily, type AddressRange, formatAddress } from '@purlin/base'
import type { CompiledRule, Match } from '../compile/ruleset.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { lastAddress } from '../policy/ranges.ts'
import type { KernelRule } from './kernel-ruleset.ts'

/** A compiled rule as nft text, with a counter, so that hits can be read per rule. */
export function ruleText(rule: CompiledRule, family: AddressFamily): KernelRule {
  const matches = rule.matches.map((match) => matchText(match, family))
  return { id: rule.id, text: [...matches, 'counter', rule.verdict].join(' ') }
}

/** Braces around several elements; a single one stands alone. No two closing braces may end up on
 *  one line: nft 1.0.6 takes them for an error. */
export function anyOf(elements: readonly (string | number)[]): string {
  return elements.length === 1 ? String(elements[0]) : `{ ${elements.join(', ')} }`
}

function matchText(match: Match, family: AddressFamily): string {
  const network = family === 'ipv4' ? 'ip' : 'ip6'
  switch (match.on) {
    case 'address':
      return `${network} ${sideText(match.side)} ${anyOf(match.ranges.map(rangeText))}`
    case 'group':
      return `${network} ${sideText(match.side)} @${match.set}`
    case 'protocol':
      return `meta l4proto ${match.protocol}`
    case 'ports': {
      const ports = match.ranges.map(({ first, last }) =>
        first === last ? first : `${first}-${last}`,
      )
      return `meta l4proto ${match.protocol} th dport ${anyOf(ports)}`
    }
    case 'icmp': {
      const word = match.protocol === protocolNumbers.icmp ? 'icmp' : 'icmpv6'
      const code = match.code === undefined ? '' : ` ${word} code ${match.code}`
      return `${word} type ${match.type}${code}`
    }
  }
}

function sideText(side: 'source' | 'destination'): string {
  return side === 'source' ? 'saddr' : 'daddr'
}

/** An address, a network where the range is one, or `FIRST-LAST`. */
function rangeText({ family, first, last }: AddressRange): string {
  const text = formatAddress({ family, value: first })
  if (first === last) return text
  const size = last - first + 1n
  const isPower = (size & (size - 1n)) === 0n
  if (isPower && first % size === 0n) {
    const length = lastAddress(family).toString(2).length - (size.toString(2).length - 1)
    return `${text}/${length}`
  }
  return `${text}-${formatAddress({ family, value: last })}`
}
