import type { FlatRule, Provenance } from '../flatten.ts'
import type { Direction, FilterAction } from '../policy/desired.ts'
import type { Decided } from './form.ts'

/** Where a rule comes from, as one word: `GROUP/members`, `GROUP/DIRECTION/ID` or, for a rule
 *  without an id of its own, `GROUP/DIRECTION/PRIORITY`. */
export function ruleLabel({ group, priority, id }: Provenance, direction: Direction): string {
  return priority === 'members' ? `${group}/members` : `${group}/${direction}/${id ?? priority}`
}

/** What a rule decides, as a compiled form says it. */
export function decidedBy(rule: FlatRule, direction: Direction): Decided {
  const id = ruleLabel(rule.provenance, direction)
  return { id, verdict: rule.action === 'allow' ? 'accept' : 'drop', log: rule.log }
}

/** What decides where no rule matches. */
export function decidedByDefault(action: FilterAction): Decided {
  return { id: 'default', verdict: action === 'allow' ? 'accept' : 'drop', log: false }
}
