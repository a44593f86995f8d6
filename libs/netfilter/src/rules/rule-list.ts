import { type Problem, PurlinError } from '@purlin/base'
import {
  type InboundRule,
  inboundRule,
  type OutboundRule,
  outboundRule,
  problemsOfIssue,
  type RulePatch,
  type SecurityGroupSpec,
} from '@purlin/schema'
import type { Direction } from '../policy/desired.ts'

/** A rule's place: the list, and its position from 0. */
export interface RulePlace {
  readonly direction: Direction
  readonly priority: number
}

/** Rules for one list. */
export type NewRules =
  | { readonly direction: 'inbound'; readonly rules: readonly InboundRule[] }
  | { readonly direction: 'outbound'; readonly rules: readonly OutboundRule[] }

/** Inserts rules at `priority`, 0 to n; absent: behind the others. The rules from there move down,
 *  so priorities stay 0 to n-1. Pure. Errors: PUR_SG_PRIORITY_GAP. */
export function insertRules(
  group: string,
  spec: SecurityGroupSpec,
  added: NewRules,
  priority?: number,
): SecurityGroupSpec {
  const { direction } = added
  const count = spec[direction].length
  const at = checkedPriority(group, direction, priority ?? count, count)
  return direction === 'inbound'
    ? { ...spec, inbound: spec.inbound.toSpliced(at, 0, ...added.rules) }
    : { ...spec, outbound: spec.outbound.toSpliced(at, 0, ...added.rules) }
}

/** Removes a rule; the rules behind it move up. Pure. */
export function removeRule(
  spec: SecurityGroupSpec,
  { direction, priority }: RulePlace,
): SecurityGroupSpec {
  return { ...spec, [direction]: spec[direction].toSpliced(priority, 1) }
}

/** Moves a rule to another priority of its list, 0 to n-1; those between move by one. Pure.
 *  Errors: PUR_SG_PRIORITY_GAP. */
export function moveRule(
  group: string,
  spec: SecurityGroupSpec,
  { direction, priority }: RulePlace,
  to: number,
): SecurityGroupSpec {
  const rules: readonly (InboundRule | OutboundRule)[] = spec[direction]
  const at = checkedPriority(group, direction, to, rules.length - 1)
  const moved = rules[priority]
  if (moved === undefined) return spec
  return { ...spec, [direction]: rules.toSpliced(priority, 1).toSpliced(at, 0, moved) }
}

/** Changes fields of a rule: null takes an optional field away. It keeps its id and place, and must
 *  be whole afterwards. Pure. Errors: PUR_INVALID with paths of the rule. */
export function modifyRule(
  spec: SecurityGroupSpec,
  { direction, priority }: RulePlace,
  patch: RulePatch,
): SecurityGroupSpec {
  const rules: readonly (InboundRule | OutboundRule)[] = spec[direction]
  const merged = Object.entries({ ...rules[priority], ...patch }).filter(
    ([, value]) => value !== null && value !== undefined,
  )
  const schema = direction === 'inbound' ? inboundRule : outboundRule
  const checked = schema.safeParse(Object.fromEntries(merged))
  if (!checked.success) {
    throw invalid(checked.error.issues.flatMap((issue) => problemsOfIssue(issue, [])))
  }
  return { ...spec, [direction]: rules.with(priority, checked.data) }
}

/** Finds a rule by its id, or by `DIRECTION:PRIORITY` such as `inbound:0`. Pure.
 *  Errors: PUR_SG_RULE_MISSING. */
export function findRule(group: string, spec: SecurityGroupSpec, rule: string): RulePlace {
  const [, word, digits] = /^(inbound|outbound):(\d{1,9})$/.exec(rule) ?? []
  if (word !== undefined) {
    const direction = word as Direction
    const priority = Number(digits)
    if (priority < spec[direction].length) return { direction, priority }
    throw missing(rule, `${standing(group, spec, direction)}, none at priority ${priority}`)
  }
  for (const direction of ['inbound', 'outbound'] as const) {
    const priority = spec[direction].findIndex(({ id }) => id === rule)
    if (priority >= 0) return { direction, priority }
  }
  const message = `SecurityGroup ${group} has no rule with the id ${rule}`
  throw missing(rule, `${message}; name it by an id that it has, or as inbound:PRIORITY`)
}

function checkedPriority(
  group: string,
  direction: Direction,
  priority: number,
  last: number,
): number {
  if (Number.isInteger(priority) && priority >= 0 && priority <= last) return priority
  const message = `must be 0 to ${Math.max(0, last)} in the ${direction} list of SecurityGroup ${group}, found ${priority}: priorities have no gaps`
  throw new PurlinError('PUR_SG_PRIORITY_GAP', {
    message: `priority: ${message}`,
    problems: [{ path: 'priority', message }],
    context: { last: Math.max(0, last), found: priority },
  })
}

function standing(group: string, spec: SecurityGroupSpec, direction: Direction): string {
  const count = spec[direction].length
  const rules = count === 1 ? '1 rule' : `${count} rules`
  return `the ${direction} list of SecurityGroup ${group} has ${rules}`
}

function missing(rule: string, message: string): PurlinError {
  return new PurlinError('PUR_SG_RULE_MISSING', {
    message: `rule ${rule}: ${message}`,
    problems: [{ path: 'rule', message }],
    context: { rule },
  })
}

function invalid(problems: readonly Problem[]): PurlinError {
  const listed = problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return new PurlinError('PUR_INVALID', { message: `rule: ${listed}`, problems })
}
