import type {
  GroupPatch,
  ImportPlan,
  ManifestInput,
  MemberList,
  RuleAddition,
  RuleFormat,
  RuleImport,
  RulePatch,
} from '@purlin/schema'
import type { CallOptions, RevisionOptions } from '../connect/call.ts'
import { callOf, carryOut, startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { type Collection, collectionOf } from './collection.ts'

type GroupSpec = ManifestInput<'SecurityGroup'>['spec']
/** The two lists of a group. */
export type RuleDirection = 'inbound' | 'outbound'
/** A rule of a list, as a person writes it. */
export type RuleInput<Direction extends RuleDirection> = NonNullable<GroupSpec[Direction]>[number]
/** A rule of a group: its id, or its place in a list. */
export type RuleName = string | { readonly direction: RuleDirection; readonly priority: number }

/** Security groups, with the changes of single rules. Each is one revision, made by the agent in
 *  one step, and takes `ifRevision`. */
export interface SecurityGroups extends Collection<'SecurityGroup'> {
  /** Adds rules in their order: from `priority` (0 to n) on, or behind the others. The rules from
   *  there move down. Errors: PUR_RESOURCE_MISSING, PUR_INVALID, PUR_SG_PRIORITY_GAP,
   *  PUR_RESOURCE_REVISION. */
  addRules<Direction extends RuleDirection>(
    name: string,
    direction: Direction,
    rules: readonly RuleInput<Direction>[],
    options?: RevisionOptions & { readonly priority?: number },
  ): Promise<TaskHandle>
  /** Adds one rule behind the others. Errors: as `addRules`. */
  addRule<Direction extends RuleDirection>(
    name: string,
    direction: Direction,
    rule: RuleInput<Direction>,
    options?: RevisionOptions,
  ): Promise<TaskHandle>
  /** Inserts one rule at `priority`. Errors: as `addRules`. */
  insertRule<Direction extends RuleDirection>(
    name: string,
    direction: Direction,
    rule: RuleInput<Direction>,
    priority: number,
    options?: RevisionOptions,
  ): Promise<TaskHandle>
  /** Changes fields of a rule, which keeps its id and place; null takes an optional field away.
   *  Errors: as `addRules`, and PUR_SG_RULE_MISSING. */
  modifyRule(
    name: string,
    rule: RuleName,
    patch: RulePatch,
    options?: RevisionOptions,
  ): Promise<TaskHandle>
  /** Lets a rule decide again. Errors: as `modifyRule`. */
  enableRule(name: string, rule: RuleName, options?: RevisionOptions): Promise<TaskHandle>
  /** Keeps a rule in its place, without effect. Errors: as `modifyRule`. */
  disableRule(name: string, rule: RuleName, options?: RevisionOptions): Promise<TaskHandle>
  /** Moves a rule to another priority of its list, 0 to n-1. Errors: as `modifyRule`. */
  moveRule(
    name: string,
    rule: RuleName,
    priority: number,
    options?: RevisionOptions,
  ): Promise<TaskHandle>
  /** Removes a rule; the rules behind it move up. Errors: as `modifyRule`. */
  deleteRule(name: string, rule: RuleName, options?: RevisionOptions): Promise<TaskHandle>
  /** Switches the members rule and what else a group has beside its rules. */
  modify(name: string, patch: GroupPatch, options?: RevisionOptions): Promise<TaskHandle>
  /** The NICs that name the group, with their addresses. */
  members(name: string, options?: CallOptions): Promise<MemberList['items']>
  /** The rules as a file that `importRules` takes back exactly. */
  exportRules(name: string, format: RuleFormat, options?: CallOptions): Promise<string>
  /** Checks a file of rules and says what its import would do. Errors: PUR_INVALID with the line of
   *  every problem. */
  planImport(name: string, file: RuleImport, options?: CallOptions): Promise<ImportPlan>
  /** Checks a file of rules as a whole and takes it over, all or nothing. Errors: as
   *  `planImport`. */
  importRules(name: string, file: RuleImport, options?: RevisionOptions): Promise<TaskHandle>
}

/** The security groups behind `transport`. */
export function securityGroupsOf(transport: Transport): SecurityGroups {
  const addRules: SecurityGroups['addRules'] = (
    name,
    direction,
    rules,
    { priority, ...options } = {},
  ) => {
    const body = {
      direction,
      rules: [...rules],
      ...(priority !== undefined && { priority }),
    } as RuleAddition
    return startTask(transport, 'addRules', { parts: { name }, body, options })
  }
  const modifyRule: SecurityGroups['modifyRule'] = (name, rule, body, options) =>
    startTask(transport, 'modifyRule', { parts: { name, rule: partOf(rule) }, body, options })
  return {
    ...collectionOf(transport, 'SecurityGroup'),
    addRules,
    addRule: (name, direction, rule, options) => addRules(name, direction, [rule], options),
    insertRule: (name, direction, rule, priority, options) =>
      addRules(name, direction, [rule], { ...options, priority }),
    modifyRule,
    enableRule: (name, rule, options) => modifyRule(name, rule, { enabled: true }, options),
    disableRule: (name, rule, options) => modifyRule(name, rule, { enabled: false }, options),
    moveRule: (name, rule, priority, options) =>
      startTask(transport, 'moveRule', {
        parts: { name, rule: partOf(rule) },
        body: { priority },
        options,
      }),
    deleteRule: (name, rule, options) =>
      startTask(transport, 'deleteRule', { parts: { name, rule: partOf(rule) }, options }),
    modify: (name, body, options) =>
      startTask(transport, 'modifyGroup', { parts: { name }, body, options }),
    members: async (name, options) =>
      (await carryOut(transport, 'listMembers', { parts: { name }, options })).items,
    exportRules: (name, format, options) =>
      transport.text(
        callOf(transport, 'exportRules', { parts: { name }, query: { format }, options }),
      ),
    planImport: (name, body, options) =>
      carryOut(transport, 'planImport', { parts: { name }, body, options }),
    importRules: (name, body, options) =>
      startTask(transport, 'importRules', { parts: { name }, body, options }),
  }
}

/** The rule as it stands in a path. */
function partOf(rule: RuleName): string {
  return typeof rule === 'string' ? rule : `${rule.direction}:${rule.priority}`
}
