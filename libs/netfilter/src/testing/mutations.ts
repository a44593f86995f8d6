import type { CompiledList, CompiledRule, CompiledRuleset, Match } from '../compile/ruleset.ts'

/** Faults a compiler could have, each applied to what it made. A test that finds no difference
 *  under one of them would not find the fault either. */
export const mutations: Readonly<Record<string, (ruleset: CompiledRuleset) => CompiledRuleset>> = {
  'order of priorities dropped': onRules((rules) => [
    ...rules.slice(0, -1).toReversed(),
    ...rules.slice(-1),
  ]),
  'families swapped': onLists((list) => ({ ...list, ipv4: list.ipv6, ipv6: list.ipv4 })),
  'deny ignored': onRules((rules) =>
    rules.filter((rule) => rule.id === 'default' || rule.verdict === 'accept'),
  ),
  'ports ignored': onMatches((match) =>
    match.on === 'ports' ? { on: 'protocol', protocol: match.protocol } : match,
  ),
  'self and groups ignored': onRules((rules) =>
    rules.filter((rule) => !rule.matches.some((match) => match.on === 'group')),
  ),
  'members rule ignored': onRules((rules) => rules.filter((rule) => !rule.id.endsWith('/members'))),
  'icmp code ignored': onMatches((match) =>
    match.on === 'icmp' ? { ...match, code: undefined } : match,
  ),
  'source and destination swapped': onMatches((match) =>
    match.on === 'address' || match.on === 'group'
      ? { ...match, side: match.side === 'source' ? 'destination' : 'source' }
      : match,
  ),
  'default policy always deny': onRules((rules) =>
    rules.map((rule) => (rule.id === 'default' ? { ...rule, verdict: 'drop' } : rule)),
  ),
}

function onLists(change: (list: CompiledList) => CompiledList) {
  return (ruleset: CompiledRuleset): CompiledRuleset => ({
    ...ruleset,
    lists: new Map([...ruleset.lists].map(([key, list]) => [key, change(list)])),
  })
}

function onRules(change: (rules: readonly CompiledRule[]) => readonly CompiledRule[]) {
  return onLists((list) => ({ ...list, ipv4: change(list.ipv4), ipv6: change(list.ipv6) }))
}

function onMatches(change: (match: Match) => Match) {
  return onRules((rules) => rules.map((rule) => ({ ...rule, matches: rule.matches.map(change) })))
}
