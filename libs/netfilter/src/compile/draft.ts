import { type AddressFamily, shortHash } from '@purlin/base'
import type { FlatRule } from '../flatten.ts'
import { prefersIdentity } from './cost.ts'
import { intervalsOf } from './identity.ts'
import { type AddressInterval, isForAnyone } from './intervals.ts'
import type { ListContent } from './linear.ts'
import { viewKey } from './views.ts'

/** A list before it is compiled. */
export interface Draft {
  readonly content: ListContent
  /** Of the content: rules with where they come from, direction, default. */
  readonly hash: string
  readonly families: Readonly<Record<AddressFamily, DraftFamily>>
}

export interface DraftFamily {
  readonly identity: boolean
  /** The groups that its rules name, in order. */
  readonly groups: readonly string[]
  /** The key of the view of these groups; absent where the form or the rules need none. */
  readonly view: string | undefined
  /** The addresses that its rules name themselves; absent where the form is linear, or they are
   *  too many. */
  readonly intervals: readonly AddressInterval[] | undefined
}

const texts = new WeakMap<FlatRule, string>()

/** Pure. */
export function draftOf(list: ListContent, form: 'measured' | 'linear' | 'identity'): Draft {
  const { direction, rules, defaultAction } = list
  const content: ListContent = { direction, rules, defaultAction }
  const family = (one: AddressFamily): DraftFamily => {
    const identity = form === 'measured' ? prefersIdentity(content, one) : form === 'identity'
    const groups = groupsNamed(rules, one)
    const view = identity && groups.length > 0 ? viewKey(groups) : undefined
    return { identity, groups, view, intervals: identity ? intervalsOf(content, one) : undefined }
  }
  return {
    content,
    hash: shortHash([direction, defaultAction, ...rules.map(textOf)].join('\n'), 24),
    families: { ipv4: family('ipv4'), ipv6: family('ipv6') },
  }
}

function groupsNamed(rules: readonly FlatRule[], family: AddressFamily): readonly string[] {
  const named = new Set<string>()
  for (const rule of rules) {
    if (!rule.families.includes(family) || isForAnyone(rule)) continue
    for (const group of rule.peer?.groups ?? []) named.add(group)
  }
  return [...named].sort()
}

function textOf(rule: FlatRule): string {
  const known = texts.get(rule)
  if (known !== undefined) return known
  const text = JSON.stringify(rule, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  )
  texts.set(rule, text)
  return text
}
