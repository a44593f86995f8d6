import type { AddressFamily } from '@purlin/base'
import type { SecurityGroupSpec } from '@purlin/schema'
import { type FlatRule, flattenGroup } from '../flatten.ts'
import type { Membership } from '../membership.ts'
import type { Direction } from '../policy/desired.ts'
import { type Box, firstBox, type Position, positionStore } from '../space/boxes.ts'
import { type Diagram, isLeaf } from '../space/diagram.ts'
import { type LevelRange, lastValue, levels, preceding } from '../space/levels.ts'
import { ruleBox } from '../space/space.ts'

/** A rule that can never decide a packet, whoever the members of groups are, because earlier rules
 *  of the same list decide all that it speaks of. */
export interface ShadowedRule {
  readonly priority: number
  readonly id?: string
  /** `duplicate`: an earlier rule says the same; `contradicted`: an earlier rule of the same
   *  packets says the opposite; `covered`: earlier rules have all of its packets. */
  readonly kind: 'duplicate' | 'contradicted' | 'covered'
  /** Priorities of the rules that decide in its place. */
  readonly by: readonly (number | 'members')[]
  readonly why: string
}

/** Who the peer is taken for: a stranger (undefined), or a member of this group and no other.
 *  Whoever is in more groups meets more rules, so these are the cases in which a rule is met
 *  latest. */
type Guise = string | undefined

/** The rules of one list that no packet can reach. Exact: a rule that is named is covered by the
 *  earlier ones together, for every possible membership; one that is not has a packet of its own.
 *  Rules that are switched off are neither named nor cover anything. `name` is the group's own, for
 *  rules that name it instead of `self`. Pure. Errors: PUR_INVALID (an address that cannot be
 *  read). */
export function shadowedRules(
  spec: SecurityGroupSpec,
  direction: Direction,
  name = '',
): readonly ShadowedRule[] {
  const rules = flattenGroup(name, spec, direction)
  const alive = new Set<FlatRule>()
  const guised = new Map<string, Guised>()
  for (const family of ['ipv4', 'ipv6'] as const) {
    const own = rules.filter((rule) => rule.families.includes(family))
    for (const guise of guisesOf(own)) {
      const seen = new Guised(own, direction, family, guise)
      guised.set(`${family} ${guise ?? ''}`, seen)
      for (const rule of seen.winners) alive.add(rule)
    }
  }
  return rules.flatMap((rule) => {
    if (alive.has(rule) || rule.provenance.priority === 'members') return []
    const by = new Set<FlatRule>()
    for (const family of rule.families) {
      for (const guise of guisesOf([rule])) {
        const seen = guised.get(`${family} ${guise ?? ''}`)
        for (const one of seen?.winnersWithin(rule) ?? []) by.add(one)
      }
    }
    return [
      shadowed(
        rule,
        rules.filter((one) => by.has(one)),
      ),
    ]
  })
}

function guisesOf(rules: readonly FlatRule[]): readonly Guise[] {
  return [undefined, ...new Set(rules.flatMap(({ peer }) => peer?.groups ?? []))]
}

/** A list as one sort of peer meets it. */
class Guised {
  readonly #rules: readonly FlatRule[]
  readonly #boxes: readonly (Box | undefined)[]
  readonly #which: Diagram<Position>
  readonly #family: AddressFamily

  constructor(
    rules: readonly FlatRule[],
    direction: Direction,
    family: AddressFamily,
    guise: Guise,
  ) {
    this.#rules = rules
    this.#family = family
    this.#boxes = rules.map((rule) => boxInGuise(rule, direction, family, guise))
    const found = this.#boxes.flatMap((box, position) =>
      box === undefined ? [] : [{ box, position }],
    )
    const store = positionStore(family)
    const which = firstBox(
      store,
      found.map(({ box }) => box),
    )
    this.#which = store.map(which, (at) => (at === undefined ? undefined : found[at]?.position))
  }

  /** The rules that decide some packet. */
  get winners(): readonly FlatRule[] {
    return this.#rulesOf(leavesWithin(this.#which, {}, this.#family))
  }

  /** The rules that decide the packets of one of them. */
  winnersWithin(rule: FlatRule): readonly FlatRule[] {
    const box = this.#boxes[this.#rules.indexOf(rule)]
    return box === undefined ? [] : this.#rulesOf(leavesWithin(this.#which, box, this.#family))
  }

  #rulesOf(positions: ReadonlySet<Position>): readonly FlatRule[] {
    return [...positions].flatMap((at) => (at === undefined ? [] : (this.#rules[at] ?? [])))
  }
}

const nobody: Membership = { addressesOf: () => new Set() }

/** A member of a group that a rule names is in the rule, whatever its address. */
function boxInGuise(
  rule: FlatRule,
  direction: Direction,
  family: AddressFamily,
  guise: Guise,
): Box | undefined {
  const isNamed = guise !== undefined && rule.peer?.groups.includes(guise) === true
  const seen = isNamed ? { ...rule, peer: undefined } : rule
  return ruleBox(seen, { direction, membership: nobody }, family)
}

/** The values at the leaves that packets of the box reach. */
function leavesWithin(
  diagram: Diagram<Position>,
  box: Box,
  family: AddressFamily,
): ReadonlySet<Position> {
  const found = new Set<Position>()
  const seen = new Set<number>()
  const go = (at: Diagram<Position>): void => {
    if (seen.has(at.id)) return
    seen.add(at.id)
    if (isLeaf(at)) {
      found.add(at.leaf)
      return
    }
    const name = levels[at.level]
    if (name === undefined) return
    const asked = box[name]
    at.children.forEach((child, index) => {
      const first = at.starts[index]
      const next = at.starts[index + 1]
      if (first === undefined) return
      const last = next === undefined ? lastValue(name, family) : preceding(next)
      if (asked === undefined || meets(asked, { first, last })) go(child)
    })
  }
  go(diagram)
  return found
}

function meets(ranges: readonly LevelRange[], { first, last }: LevelRange): boolean {
  return ranges.some((range) => range.first <= last && first <= range.last)
}

function shadowed(rule: FlatRule, by: readonly FlatRule[]): ShadowedRule {
  const { priority, id } = rule.provenance
  const places = by.map(({ provenance }) => provenance.priority)
  const [first] = by
  const alike = by.length === 1 && first !== undefined && sameMatch(first, rule)
  const kind = alike ? (first.action === rule.action ? 'duplicate' : 'contradicted') : 'covered'
  const named = places.map((place) => (place === 'members' ? 'the members rule' : `rule ${place}`))
  const sentences = {
    duplicate: `says what ${named[0]} says`,
    contradicted: `speaks of the same packets as ${named[0]}, which decides the opposite first`,
    covered:
      named.length === 1
        ? `all of its packets are decided by ${named[0]} before it`
        : `all of its packets are decided before it, by ${listed(named)} together`,
  }
  return {
    priority: Number(priority),
    ...(id !== undefined && { id }),
    kind,
    by: places,
    why: sentences[kind],
  }
}

const NAMES_SHOWN = 5

function listed(names: readonly string[]): string {
  if (names.length > NAMES_SHOWN) {
    return `${names.slice(0, NAMES_SHOWN).join(', ')} and ${names.length - NAMES_SHOWN} more`
  }
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function sameMatch(one: FlatRule, other: FlatRule): boolean {
  return matchText(one) === matchText(other)
}

function matchText({ families, protocol, ports, icmp, peer }: FlatRule): string {
  const groups = peer?.groups.toSorted()
  return JSON.stringify(
    [families, protocol, ports, icmp, peer && { ranges: peer.ranges, groups }],
    (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value),
  )
}
