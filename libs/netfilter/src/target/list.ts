import type { AddressFamily } from '@purlin/base'
import {
  DECISION_BASE,
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
import { counter, ends, is, isMasked, leads, markBy, verdictBy, verdictElement } from './build.ts'
import { classMapName, listStem, openStem, VERDICT_MAP, viewMapName } from './names.ts'
import { addressField, logRule, ofFamily, rulesOf } from './rule.ts'
import { plainDecisions, plainVerdicts, verdictShape } from './sets.ts'
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
  const heads = FAMILIES.map((family): Rule => {
    const statements = [ofFamily(family), leads('goto', `${name}-${family}`)]
    return { id: `list/${family}`, statements }
  })
  return {
    stem,
    chains: [...parts.flatMap(({ chains }) => chains), inetChain(name, heads)],
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
  const decisions = new Decisions(name, list)
  const verdicts = form.lookups.some(hasLogs) ? `${name}-verdicts` : VERDICT_MAP
  for (const lookup of form.lookups) {
    const id = `lookup/${lookup.sets === 'class' ? 'class' : nameOf(lookup)}`
    const made = lookupStatements(lookup, form.side, family, `${name}-${nameOf(lookup)}`)
    const decides = lookup.sets === 'verdict' ? [verdictBy(byMark, verdicts)] : []
    rules.push({ id, statements: [...made.statements, ...decides] })
    if (made.shape === undefined || !('elements' in lookup)) continue
    const elements = lookup.elements.map((element) => elementOf(element, decisions))
    sets.push({ ...made.shape, elements: elementsByKey(elements) })
  }
  if (verdicts !== VERDICT_MAP) {
    sets.push({ ...verdictShape, name: verdicts, elements: elementsByKey(decisions.elements) })
  }
  const { rest } = form
  if (rest.log) rules.push(logRule(rest, list, [restoreMark]))
  rules.push({ id: rest.id, statements: [counter, ends(rest.verdict)] })
  return { chains: [...decisions.chains, inetChain(name, rules)], sets }
}

const byMark: LookupKey = { fields: ['meta mark'] }

function hasLogs(lookup: Lookup): boolean {
  return lookup.sets === 'verdict' && lookup.elements.some(({ log }) => log)
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
    value: 'mark',
    interval: lookup.ranged,
    counter: lookup.sets === 'verdict',
  }
  const fields = lookup.key.map((field) => fieldOf(field, side, family))
  const turned = isConcatenatedInterval(shape) && fields.some(isHostOrder)
  const key: LookupKey = { fields, ...(turned && { networkOrder: true as const }) }
  return { statements: [...headers(lookup, family), markBy(key, name)], shape }
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
  const { icmp, icmpv6 } = protocolNumbers
  switch (guard) {
    case 'always':
    case 'ports':
      // No element has a port with a protocol that has none.
      return []
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
  decisions: Decisions,
): SetElement {
  if ('mark' in element) return { key: element.key, value: element.mark }
  return { key: element.key, value: decisions.numberOf(element), comment: element.id }
}

/** What the elements of verdict look-ups say, as numbers for the mark: the verdicts themselves, and
 *  for each rule that logs a chain that logs and then says its verdict. */
class Decisions {
  readonly chains: Chain[] = []
  readonly elements: SetElement[] = [...plainDecisions]
  readonly #numbers = new Map<string, number>()
  readonly #stem: string
  readonly #list: string

  constructor(stem: string, list: string) {
    this.#stem = stem
    this.#list = list
  }

  numberOf(decided: Decided): number {
    if (!decided.log) return DECISION_BASE + plainVerdicts.indexOf(decided.verdict)
    const key = `${decided.verdict} ${decided.id}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = DECISION_BASE + this.elements.length
    const chain = this.#logChain(decided)
    this.#numbers.set(key, number)
    this.elements.push(verdictElement(number, { verdict: 'goto', chain }))
    return number
  }

  #logChain(decided: Decided): string {
    const name = `${this.#stem}-log-${this.chains.length}`
    const verdict: Rule = { id: decided.id, statements: [ends(decided.verdict)] }
    this.chains.push(inetChain(name, [logRule(decided, this.#list, [restoreMark]), verdict]))
    return name
  }
}
