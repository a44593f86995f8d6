import type { AddressFamily } from '@purlin/base'
import {
  type Decided,
  IDENTITY_BASE,
  IDENTITY_MASK,
  type IdentityForm,
  type KeyField,
  type Lookup,
  type LookupGuard,
  type MarkLookup,
  type VerdictElement,
  type VerdictLookup,
} from '../compile/form.ts'
import type { CompiledList, CompiledOpen, Side } from '../compile/ruleset.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import {
  counter,
  ends,
  familyNumber,
  is,
  isAnyOf,
  isMasked,
  markBy,
  verdictBy,
  verdictElement,
} from './build.ts'
import { classMapName, listStem, openStem, viewMapName } from './names.ts'
import { addressField, logRule, ofFamily, rulesOf } from './rule.ts'
import {
  type Chain,
  elementsByKey,
  type Field,
  isConcatenatedInterval,
  type KeyType,
  type LookupKey,
  type NamedSet,
  type Rule,
  type SetElement,
  type SetShape,
  type Statement,
  type Verdict,
} from './statement.ts'

/** Chains and maps that belong together, are made aside and never edited. */
export interface Unit {
  readonly stem: string
  readonly chains: readonly Chain[]
  readonly sets: readonly NamedSet[]
}

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

/** A list: a chain that parts the families, a chain for each, and the maps of its look-ups. */
export function listUnit(list: CompiledList, variant: number): Unit {
  const stem = listStem(list.key)
  const name = `${stem}_${variant}`
  const parts = FAMILIES.map((family) => {
    const form = list[family]
    const chain = `${name}-${family}`
    if (form.form === 'identity') return identityPart(form, family, chain, list.key)
    const rules = form.rules.flatMap((rule) => rulesOf(rule, family, list.key))
    return { chains: [inetChain(chain, rules)], sets: [] }
  })
  const families = FAMILIES.map((family) =>
    verdictElement(familyNumber[family], { verdict: 'goto', chain: `${name}-${family}` }),
  )
  const head: Rule = {
    id: 'list/family',
    statements: [verdictBy({ fields: ['meta nfproto'] }, families)],
  }
  return {
    stem,
    chains: [...parts.flatMap(({ chains }) => chains), inetChain(name, [head])],
    sets: parts.flatMap(({ sets }) => sets),
  }
}

/** What passes before the lists. */
export function openUnit(open: CompiledOpen, variant: number): Unit {
  const stem = openStem(open.key)
  const rules = FAMILIES.flatMap((family) =>
    open[family].flatMap((rule) => {
      // A rule of one family's must not match the other's packets.
      return rulesOf(rule, family, open.key).map(({ id, statements }) => {
        const said = statements.some((one) => one.kind === 'match' && one.field === 'meta nfproto')
        return { id, statements: said ? statements : [ofFamily(family), ...statements] }
      })
    }),
  )
  return { stem, chains: [inetChain(`${stem}_${variant}`, rules)], sets: [] }
}

function inetChain(name: string, rules: readonly Rule[]): Chain {
  return { table: 'inet', name, rules }
}

interface Part {
  readonly chains: readonly Chain[]
  readonly sets: readonly NamedSet[]
}

function identityPart(form: IdentityForm, family: AddressFamily, name: string, list: string): Part {
  const rules: Rule[] = []
  const sets: NamedSet[] = []
  const logs = new LogChains(name, list)
  for (const lookup of form.lookups) {
    const id = `lookup/${lookup.sets === 'class' ? 'class' : nameOf(lookup)}`
    const made = lookupStatements(lookup, form.side, family, `${name}-${nameOf(lookup)}`)
    rules.push({ id, statements: made.statements })
    if (made.shape === undefined || !('elements' in lookup)) continue
    const elements = lookup.elements.map((element) => elementOf(element, logs))
    sets.push({ ...made.shape, elements: elementsByKey(elements) })
  }
  const { rest } = form
  if (rest.log) rules.push(logRule(rest, list, [restoreMark]))
  rules.push({ id: rest.id, statements: [counter, ends(rest.verdict)] })
  return { chains: [...logs.chains, inetChain(name, rules)], sets }
}

/** Look-ups have written into the mark; the log tells of the NIC by it. */
const restoreMark: Statement = { kind: 'restore-mark' }

function nameOf(lookup: Lookup): string {
  if ('name' in lookup) return lookup.name
  return lookup.sets
}

interface MadeLookup {
  readonly statements: readonly Statement[]
  /** Of a map of the list's own. */
  readonly shape?: SetShape
}

function lookupStatements(
  lookup: Lookup,
  side: Side,
  family: AddressFamily,
  name: string,
): MadeLookup {
  if (lookup.sets === 'class') {
    const key = { fields: [addressField(side, family)] }
    return { statements: [ofFamily(family), markBy(key, classMapName(family))] }
  }
  if (lookup.sets === 'view') {
    return { statements: [markBy({ fields: ['meta mark'] }, viewMapName(lookup.view))] }
  }
  return ownLookup(lookup, side, family, name)
}

function ownLookup(
  lookup: MarkLookup | VerdictLookup,
  side: Side,
  family: AddressFamily,
  name: string,
): MadeLookup {
  const shape: SetShape = {
    table: 'inet',
    name,
    key: lookup.key.map((field) => keyTypeOf(field, family)),
    value: lookup.sets,
    interval: lookup.ranged,
    counter: lookup.sets === 'verdict',
  }
  const fields = lookup.key.map((field) => fieldOf(field, side, family))
  const turned = isConcatenatedInterval(shape) && fields.some(isHostOrder)
  const key: LookupKey = { fields, ...(turned && { networkOrder: true as const }) }
  const statements = [
    ...headers(lookup, family),
    lookup.sets === 'mark' ? markBy(key, name) : verdictBy(key, name),
  ]
  return { statements, shape }
}

function isHostOrder(field: Field): boolean {
  return field === 'meta mark' || field === 'meta l4proto'
}

/** What must hold before the key can be read. */
function headers(
  { key, guard }: MarkLookup | VerdictLookup,
  family: AddressFamily,
): readonly Statement[] {
  const readsNetwork = key.includes('address') || guard === 'icmp'
  return [...(readsNetwork ? [ofFamily(family)] : []), ...guardStatements(guard, family)]
}

function guardStatements(guard: LookupGuard, family: AddressFamily): readonly Statement[] {
  const { tcp, udp, sctp, icmp, icmpv6 } = protocolNumbers
  switch (guard) {
    case 'always':
      return []
    case 'ports':
      return [isAnyOf('meta l4proto', [tcp, udp, sctp])]
    case 'icmp':
      return [is('meta l4proto', family === 'ipv4' ? icmp : icmpv6)]
    case 'no-identity':
      return [isMasked('meta mark', IDENTITY_MASK, IDENTITY_BASE, '!=')]
  }
}

function fieldOf(field: KeyField, side: Side, family: AddressFamily): Field {
  const icmp = family === 'ipv4' ? 'icmp' : 'icmpv6'
  switch (field) {
    case 'mark':
      return 'meta mark'
    case 'address':
      return addressField(side, family)
    case 'protocol':
      return 'meta l4proto'
    case 'port':
      return 'th dport'
    case 'icmpType':
      return `${icmp} type`
    case 'icmpCode':
      return `${icmp} code`
  }
}

function keyTypeOf(field: KeyField, family: AddressFamily): KeyType {
  const icmp = family === 'ipv4' ? 'icmp' : 'icmpv6'
  switch (field) {
    case 'mark':
      return 'mark'
    case 'address':
      return `${family}_addr`
    case 'protocol':
      return 'inet_proto'
    case 'port':
      return 'inet_service'
    case 'icmpType':
      return `${icmp}_type`
    case 'icmpCode':
      return `${icmp}_code`
  }
}

function elementOf(
  element: VerdictElement | MarkLookup['elements'][number],
  logs: LogChains,
): SetElement {
  if ('mark' in element) return { key: element.key, value: element.mark }
  return { key: element.key, value: logs.verdictOf(element), comment: element.id }
}

/** Chains that log and then say a verdict: one for each rule that logs. */
class LogChains {
  readonly chains: Chain[] = []
  readonly #names = new Map<string, string>()
  readonly #stem: string
  readonly #list: string

  constructor(stem: string, list: string) {
    this.#stem = stem
    this.#list = list
  }

  verdictOf(decided: Decided): Verdict {
    if (!decided.log) return { verdict: decided.verdict }
    return { verdict: 'goto', chain: this.#chainOf(decided) }
  }

  #chainOf(decided: Decided): string {
    const key = `${decided.verdict} ${decided.id}`
    const known = this.#names.get(key)
    if (known !== undefined) return known
    const name = `${this.#stem}-log-${this.chains.length}`
    this.#names.set(key, name)
    const verdict: Rule = { id: decided.id, statements: [ends(decided.verdict)] }
    this.chains.push(inetChain(name, [logRule(decided, this.#list, [restoreMark]), verdict]))
    return name
  }
}
