import { shortHash } from '@purlin/base'
import { type ClassNumbers, classText, groupsOf } from './class-numbers.ts'
import type { ClassPart } from './identity.ts'
import type { ClassView } from './ruleset.ts'

/** A view with what lists compile from it. */
export interface ViewParts {
  readonly view: ClassView
  /** Every single group, and the combinations that classes have. */
  readonly parts: readonly ClassPart[]
  /** The parts as text, the same for the same parts. */
  readonly text: string
}

/** The key of the view of these groups (in order). */
export function viewKey(groups: readonly string[]): string {
  return shortHash(groups.join(' '), 12)
}

/** What lists that name the groups of a view see of a class, as text; empty: nothing. */
export function partOf(text: string, groups: ReadonlySet<string>): string {
  return classText(groupsOf(text).filter((group) => groups.has(group)))
}

/** Works a view out. Every class and every part of it has a number by now. Pure. */
export function makeView(
  groups: readonly string[],
  classes: Iterable<string>,
  numbers: ClassNumbers,
): ViewParts {
  const named = new Set(groups)
  const seen = new Map<number, number>()
  const texts = new Set(groups)
  for (const text of classes) {
    const part = partOf(text, named)
    if (part === '') continue
    texts.add(part)
    if (part !== text) seen.set(numbers.numberOf(text), numbers.numberOf(part))
  }
  const parts = [...texts].sort().map((text): ClassPart => {
    return { groups: groupsOf(text), number: numbers.numberOf(text) }
  })
  return {
    view: { key: viewKey(groups), groups, classes: seen },
    parts,
    text: parts.map((part) => `${part.groups.join(' ')}=${part.number}`).join(','),
  }
}

/** Whether two views hold the same. */
export function sameView(one: ClassView, other: ClassView): boolean {
  if (one.key !== other.key || one.classes.size !== other.classes.size) return false
  for (const [from, to] of one.classes) if (other.classes.get(from) !== to) return false
  return true
}
