import { PurlinError } from '@purlin/base'
import type { ManifestInput } from '@purlin/schema'
import type { MutationOptions } from '../connect/call.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { type Collection, collectionOf, manifestOfResource } from './collection.ts'

type GroupSpec = ManifestInput<'SecurityGroup'>['spec']
/** The two lists of a group. */
export type RuleDirection = 'inbound' | 'outbound'
/** A rule of a list, as a person writes it. */
export type RuleInput<Direction extends RuleDirection> = NonNullable<GroupSpec[Direction]>[number]

/** Security groups, with the changes of single rules. */
export interface SecurityGroups extends Collection<'SecurityGroup'> {
  /** Inserts `rule` at `priority`, 0 to n; the rules from there move one down. The group is read
   *  and put with the revision seen, again where somebody else was faster, up to five times.
   *  Errors: PUR_RESOURCE_MISSING, PUR_INVALID, PUR_RESOURCE_REVISION. */
  insertRule<Direction extends RuleDirection>(
    name: string,
    direction: Direction,
    rule: RuleInput<Direction>,
    priority: number,
    options?: MutationOptions,
  ): Promise<TaskHandle>
  /** Adds `rule` behind the others. Errors: as `insertRule`. */
  addRule<Direction extends RuleDirection>(
    name: string,
    direction: Direction,
    rule: RuleInput<Direction>,
    options?: MutationOptions,
  ): Promise<TaskHandle>
  /** Removes the rule at `priority`; the rules behind it move one up. Errors: as `insertRule`. */
  deleteRule(
    name: string,
    direction: RuleDirection,
    priority: number,
    options?: MutationOptions,
  ): Promise<TaskHandle>
}

const REVISION_ATTEMPTS = 5

type Rules = readonly unknown[]

/** The security groups behind `transport`. */
export function securityGroupsOf(transport: Transport): SecurityGroups {
  const groups = collectionOf(transport, 'SecurityGroup')
  const change = async (
    name: string,
    direction: RuleDirection,
    edit: (rules: Rules) => Rules,
    options: MutationOptions = {},
  ): Promise<TaskHandle> => {
    for (let attempt = 1; ; attempt++) {
      const group = await groups.get(name, options)
      const manifest = manifestOfResource<'SecurityGroup'>(group)
      const spec = { ...manifest.spec, [direction]: edit(group.spec[direction]) } as GroupSpec
      try {
        return await groups.put({ ...manifest, spec }, { ...options, ifRevision: group.revision })
      } catch (thrown) {
        const outrun = thrown instanceof PurlinError && thrown.code === 'PUR_RESOURCE_REVISION'
        // With the caller's own key the second request would be another one under the same key.
        if (!outrun || attempt >= REVISION_ATTEMPTS || options.idempotencyKey) throw thrown
      }
    }
  }
  return {
    ...groups,
    insertRule: (name, direction, rule, priority, options) => {
      const edit = (rules: Rules): Rules => {
        checkPriority(name, direction, priority, rules.length)
        return rules.toSpliced(priority, 0, rule)
      }
      return change(name, direction, edit, options)
    },
    addRule: (name, direction, rule, options) =>
      change(name, direction, (rules) => [...rules, rule], options),
    deleteRule: (name, direction, priority, options) => {
      const edit = (rules: Rules): Rules => {
        checkPriority(name, direction, priority, rules.length - 1)
        return rules.toSpliced(priority, 1)
      }
      return change(name, direction, edit, options)
    },
  }
}

function checkPriority(name: string, direction: string, priority: number, last: number): void {
  if (Number.isInteger(priority) && priority >= 0 && priority <= last) return
  const message =
    last < 0
      ? `there is no ${direction} rule in SecurityGroup ${name}`
      : `must be 0 to ${last} in the ${direction} list of SecurityGroup ${name}, found ${priority}`
  throw new PurlinError('PUR_INVALID', {
    message: `priority: ${message}`,
    problems: [{ path: 'priority', message }],
  })
}
