import { PurlinError } from '@purlin/base'
import type { RuleHits } from '@purlin/netfilter'
import type { RuleHit } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'

/** What the kernel has counted, by the rules as they stand now: of one group, or of all. A rule
 *  that went since its list was loaded is left out. Pure. Errors: PUR_RESOURCE_MISSING. */
export function shownHits(
  hits: readonly RuleHits[],
  catalogue: Catalogue,
  group: string | undefined,
): RuleHit[] {
  if (group !== undefined && catalogue.get('SecurityGroup', group) === undefined) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no SecurityGroup named ${group}` })
  }
  return hits
    .flatMap((hit) => shownHit(hit, catalogue) ?? [])
    .filter((hit) => group === undefined || hit.group === group)
    .toSorted(inOrder)
}

function shownHit(
  { direction, id: text, packets, bytes }: RuleHits,
  catalogue: Catalogue,
): RuleHit | undefined {
  const counted = { direction, packets: Number(packets), bytes: Number(bytes) }
  const [group = '', part = '', rule] = text.split('/')
  if (text === 'default') return { ...counted, type: 'default' }
  if (group === 'open') return { ...counted, type: 'open', name: part }
  if (part === 'members') return { ...counted, type: 'members', group }
  const rules = catalogue.get('SecurityGroup', group)?.manifest.spec[direction] ?? []
  const priority = /^\d+$/.test(rule ?? '')
    ? Number(rule)
    : rules.findIndex(({ id }) => id === rule)
  const standing = rules[priority]
  if (standing === undefined) return undefined
  const named = standing.id === undefined ? {} : { id: standing.id }
  return { ...counted, type: 'rule', group, priority, ...named }
}

/** By direction and group, in each the members rule first; what is of no group comes last. */
function inOrder(one: RuleHit, other: RuleHit): number {
  const key = ({ direction, group, priority, type }: RuleHit): string => {
    const place = type === 'members' ? 0 : (priority ?? 0) + 1
    return `${direction} ${group ?? '~'} ${String(place).padStart(9, '0')} ${type}`
  }
  return key(one) < key(other) ? -1 : 1
}
