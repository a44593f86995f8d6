import type { RandomBytes } from '@purlin/base'
import type { InboundRule, OutboundRule, SecurityGroupSpec } from '@purlin/schema'

type AnyRule = InboundRule | OutboundRule

/** Letters and digits without those that are taken for one another. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const RANDOM_LETTERS = 8
const DRAWS = 64

/** The group with an id on every rule. A rule that came without one has the id of the former rule
 *  of equal content, in the order in which they stand; else that of the rule which stood at its
 *  place, when nothing else claims it (the rule was changed); else one that the group does not
 *  have. So the same manifest again changes nothing, and an id survives moves and changes.
 *  Shape: ids are unique in the group. Pure but for `random`; O(n). */
export function identifyRules(
  former: SecurityGroupSpec | undefined,
  next: SecurityGroupSpec,
  random: RandomBytes,
): SecurityGroupSpec {
  if ([...next.inbound, ...next.outbound].every(({ id }) => id !== undefined)) return next
  const written = new Set([...next.inbound, ...next.outbound].flatMap(({ id }) => id ?? []))
  const known = [...(former?.inbound ?? []), ...(former?.outbound ?? [])].flatMap(
    ({ id }) => id ?? [],
  )
  const taken = new Set([...written, ...known])
  const fresh = (): string => {
    for (let draw = 0; draw < DRAWS; draw++) {
      const id = newRuleId(random)
      if (taken.has(id)) continue
      taken.add(id)
      return id
    }
    throw new Error(`no free rule id in ${DRAWS} draws: the source of randomness repeats itself`)
  }
  return {
    ...next,
    inbound: identifyList(former?.inbound ?? [], next.inbound, written, fresh),
    outbound: identifyList(former?.outbound ?? [], next.outbound, written, fresh),
  }
}

function identifyList<Rule extends AnyRule>(
  former: readonly Rule[],
  next: readonly Rule[],
  written: ReadonlySet<string>,
  fresh: () => string,
): Rule[] {
  const free = former.map(({ id }) => (id === undefined || written.has(id) ? undefined : id))
  const contents = former.map(contentOf)
  const wanted = next.map(contentOf)
  const claim = (place: number | undefined): string | undefined => {
    if (place === undefined) return undefined
    const id = free[place]
    free[place] = undefined
    return id
  }
  // What is equal from the start and from the end first: so a change among equal rules, too, gives
  // each of the others its own id again.
  const kept = next.map(({ id }) => id)
  const shorter = Math.min(former.length, next.length)
  let start = 0
  while (start < shorter && contents[start] === wanted[start]) {
    kept[start] ??= claim(start)
    start++
  }
  for (let back = 1; back <= shorter - start; back++) {
    const place = next.length - back
    if (contents[former.length - back] !== wanted[place]) break
    kept[place] ??= claim(former.length - back)
  }
  const placesOf = new Map<string | undefined, number[]>()
  free.forEach((id, place) => {
    if (id === undefined) return
    const places = placesOf.get(contents[place])
    if (places === undefined) placesOf.set(contents[place], [place])
    else places.push(place)
  })
  wanted.forEach((content, place) => {
    kept[place] ??= claim(placesOf.get(content)?.shift())
  })
  return next.map((rule, place) => {
    const { id: _id, ...rest } = rule
    return { id: kept[place] ?? claim(place) ?? fresh(), ...rest } as Rule
  })
}

/** What a rule says, whatever its id and the order of its fields. */
export function contentOf(rule: AnyRule): string {
  const { id: _id, ...content } = rule
  return JSON.stringify(content, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

/** An id such as `r-7f3k2m9q`: short enough to be typed. */
function newRuleId(random: RandomBytes): string {
  const letters = [...random(RANDOM_LETTERS)].map((byte) => ALPHABET[byte % ALPHABET.length])
  return `r-${letters.join('')}`
}
