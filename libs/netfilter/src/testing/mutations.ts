import type { Lookup } from '../compile/form.ts'
import type {
  CompiledList,
  CompiledOpen,
  CompiledRule,
  CompiledRuleset,
} from '../compile/ruleset.ts'
import type { FlatList, FlatPeer, FlatRule } from '../flatten.ts'

export type FormName = 'linear' | 'identity'

/** A fault that a compiler could have: it reads the list wrongly, or writes the result wrongly. */
export interface Mutation {
  readonly reads?: (list: FlatList) => FlatList
  readonly writes?: (ruleset: CompiledRuleset) => CompiledRuleset
  /** Forms in which there is such a thing. */
  readonly forms: readonly FormName[]
}

const both: readonly FormName[] = ['linear', 'identity']

/** A test that finds no difference under one of them would not find the fault either. */
export const mutations: Readonly<Record<string, Mutation>> = {
  'order of priorities dropped': reading((list) => ({ ...list, rules: list.rules.toReversed() })),
  'families swapped': onRules((rule) => {
    const families = rule.families.map((family) => (family === 'ipv4' ? 'ipv6' : 'ipv4'))
    return rule.peer?.ranges.length ? rule : { ...rule, families }
  }),
  'deny ignored': reading((list) => ({
    ...list,
    rules: list.rules.filter((rule) => rule.action === 'allow'),
  })),
  'ports ignored': onRules((rule) => ({ ...rule, ports: undefined })),
  'the last port of a range left out': onRules((rule) => ({
    ...rule,
    ports: rule.ports?.map(({ first, last }) => ({ first, last: Math.max(first, last - 1) })),
  })),
  'the last address of a range left out': onPeers((peer) => ({
    ...peer,
    ranges: peer.ranges.map((range) => ({
      ...range,
      last: range.last > range.first ? range.last - 1n : range.last,
    })),
  })),
  'self and groups ignored': onPeers((peer) => ({ ...peer, groups: [] })),
  'all but the first group ignored': onPeers((peer) => ({
    ...peer,
    groups: peer.groups.slice(0, 1),
  })),
  'members rule ignored': reading((list) => ({
    ...list,
    rules: list.rules.filter((rule) => rule.provenance.priority !== 'members'),
  })),
  'protocol ignored': onRules((rule) =>
    rule.ports === undefined && rule.icmp === undefined ? { ...rule, protocol: 'all' } : rule,
  ),
  'icmp code ignored': onRules((rule) => ({
    ...rule,
    icmp: rule.icmp && { ...rule.icmp, code: undefined },
  })),
  'icmp type ignored': onRules((rule) => ({ ...rule, icmp: undefined })),
  'source and destination swapped': reading((list) => ({
    ...list,
    direction: list.direction === 'inbound' ? 'outbound' : 'inbound',
  })),
  'default policy always deny': reading((list) => ({ ...list, defaultAction: 'deny' })),
  'log forgotten': onRules((rule) => ({ ...rule, log: false })),
  'members forgotten': writing(both, (ruleset) => ({
    ...ruleset,
    sets: new Map(),
    classes: {
      ipv4: { ...ruleset.classes.ipv4, classes: new Map() },
      ipv6: { ...ruleset.classes.ipv6, classes: new Map() },
    },
  })),
  'answers of any server let through': writing(
    both,
    onOpens((rule) => ({
      ...rule,
      matches: rule.matches.filter(({ on }) => on !== 'address'),
    })),
  ),
  'switches of open traffic ignored': writing(both, (ruleset) => ({
    ...ruleset,
    opens: new Map(),
  })),
  'an identity overwritten by a later look-up': onLookups((lookups) =>
    lookups.map((lookup) =>
      'guard' in lookup && lookup.guard === 'no-identity' ? { ...lookup, guard: 'always' } : lookup,
    ),
  ),
  'classes not reduced to what the list names': onLookups((lookups) =>
    lookups.filter((lookup) => lookup.sets !== 'view'),
  ),
  'networks of members ignored': onLookups((lookups) =>
    lookups.filter((lookup) => !('name' in lookup) || lookup.name !== 'pair'),
  ),
  'rules for anyone before those for some': onLookups((lookups) => {
    const isOpen = (lookup: Lookup): boolean => 'name' in lookup && lookup.name.startsWith('any-')
    const verdicts = lookups.filter((lookup) => lookup.sets === 'verdict')
    return [
      ...lookups.filter((lookup) => lookup.sets !== 'verdict'),
      ...verdicts.filter(isOpen),
      ...verdicts.filter((lookup) => !isOpen(lookup)),
    ]
  }),
}

function reading(reads: (list: FlatList) => FlatList): Mutation {
  return { reads, forms: both }
}

function onRules(change: (rule: FlatRule) => FlatRule): Mutation {
  return reading((list) => ({ ...list, rules: list.rules.map(change) }))
}

function onPeers(change: (peer: FlatPeer) => FlatPeer): Mutation {
  return onRules((rule) => ({ ...rule, peer: rule.peer && change(rule.peer) }))
}

function writing(
  forms: readonly FormName[],
  writes: (ruleset: CompiledRuleset) => CompiledRuleset,
): Mutation {
  return { writes, forms }
}

function onOpens(change: (rule: CompiledRule) => CompiledRule) {
  const changed = (open: CompiledOpen): CompiledOpen => ({
    ...open,
    ipv4: open.ipv4.map(change),
    ipv6: open.ipv6.map(change),
  })
  return (ruleset: CompiledRuleset): CompiledRuleset => ({
    ...ruleset,
    opens: new Map([...ruleset.opens].map(([key, open]) => [key, changed(open)])),
  })
}

function onLookups(change: (lookups: readonly Lookup[]) => readonly Lookup[]): Mutation {
  const changed = (list: CompiledList): CompiledList => {
    const form = (one: CompiledList['ipv4']): CompiledList['ipv4'] =>
      one.form === 'identity' ? { ...one, lookups: change(one.lookups) } : one
    return { ...list, ipv4: form(list.ipv4), ipv6: form(list.ipv6) }
  }
  return writing(['identity'], (ruleset) => ({
    ...ruleset,
    lists: new Map([...ruleset.lists].map(([key, list]) => [key, changed(list)])),
  }))
}
