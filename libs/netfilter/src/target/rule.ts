import type { AddressFamily } from '@purlin/base'
import type { CompiledRule, CompiledVerdict, Match, Side } from '../compile/ruleset.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { counter, ends, familyNumber, is, isAnyOf, isInSet, isState } from './build.ts'
import { logStatements } from './log.ts'
import type { Field, Rule, Statement } from './statement.ts'

/** A compiled rule as the kernel's rules: with a counter, so that hits can be read per rule, and
 *  where it logs, the logging in a rule of its own before it. `list` names the list in the log. */
export function rulesOf(rule: CompiledRule, family: AddressFamily, list: string): readonly Rule[] {
  const matches = matchStatements(rule.matches, family)
  return [
    ...(rule.log ? [logRule(rule, list, matches)] : []),
    { id: rule.id, statements: [...matches, counter, ends(rule.verdict)] },
  ]
}

/** A rule that logs what another one decides, at a bounded rate. */
export function logRule(
  { id, verdict }: { readonly id: string; readonly verdict: CompiledVerdict },
  list: string,
  matches: readonly Statement[] = [],
): Rule {
  const statements = [...matches, ...logStatements({ list, rule: id, verdict })]
  return { id: `log/${id}`, statements }
}

/** What must be said before an address of the family is read. */
export function ofFamily(family: AddressFamily): Statement {
  return is('meta nfproto', familyNumber[family])
}

/** The field of the address that a rule names. */
export function addressField(side: Side, family: AddressFamily): Field {
  const network = family === 'ipv4' ? 'ip' : 'ip6'
  return side === 'source' ? `${network} saddr` : `${network} daddr`
}

function matchStatements(matches: readonly Match[], family: AddressFamily): readonly Statement[] {
  const statements: Statement[] = []
  const say = (field: Field, value: number): void => {
    const known = statements.some(
      (one) => one.kind === 'match' && one.field === field && one.values[0]?.first === value,
    )
    if (!known) statements.push(is(field, value))
  }
  for (const match of matches) {
    switch (match.on) {
      case 'address':
        say('meta nfproto', familyNumber[family])
        statements.push(isAnyOf(addressField(match.side, family), match.ranges))
        break
      case 'group':
        say('meta nfproto', familyNumber[family])
        statements.push(isInSet(addressField(match.side, family), match.set))
        break
      case 'protocol':
        say('meta l4proto', match.protocol)
        break
      case 'ports':
        say('meta l4proto', match.protocol)
        statements.push(isAnyOf('th dport', match.ranges))
        break
      case 'source-port':
        say('meta l4proto', match.protocol)
        statements.push(is('th sport', match.port))
        break
      case 'icmp': {
        const word = match.protocol === protocolNumbers.icmp ? 'icmp' : 'icmpv6'
        say('meta nfproto', familyNumber[family])
        say('meta l4proto', match.protocol)
        statements.push(is(`${word} type`, match.type))
        if (match.code !== undefined) statements.push(is(`${word} code`, match.code))
        break
      }
      case 'related':
        statements.push(isState('related'))
    }
  }
  return statements
}
