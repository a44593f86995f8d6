import { z } from 'zod'
import { rulePatch } from '../resources/security-group.ts'
import { task } from '../work/task.ts'
import { policyPlan, policyPlanRequest, ruleHits, verification } from './enforcement.ts'
import type { Operation } from './operation.ts'
import {
  groupAttachment,
  groupOrder,
  groupPatch,
  importPlan,
  memberList,
  ruleAddition,
  ruleFormats,
  ruleImport,
  ruleMove,
} from './rules.ts'

const groupPath = '/v1/security-groups/:name'
const rulePath = `${groupPath}/rules/:rule`
const nicPath = '/v1/virtual-machines/:name/nics/:nic/security-groups'

const change = { role: 'operator', status: 202, answer: task } as const
const read = { role: 'viewer', status: 200 } as const

/** Single changes of groups and of the groups of a NIC. Each is one revision, all or nothing, and
 *  If-Match guards it. A rule is named by its id, or by `DIRECTION:PRIORITY` (`inbound:0`). */
export const securityGroupOperations = {
  addRules: {
    method: 'POST',
    path: `${groupPath}/rules`,
    summary: 'Add rules to a list; with a priority the rules from there move down.',
    body: ruleAddition,
    ...change,
  },
  modifyRule: {
    method: 'PATCH',
    path: rulePath,
    summary: 'Change fields of a rule, which keeps its id and its place.',
    body: rulePatch,
    ...change,
  },
  deleteRule: {
    method: 'DELETE',
    path: rulePath,
    summary: 'Remove a rule; the rules behind it move up.',
    ...change,
  },
  moveRule: {
    method: 'POST',
    path: `${rulePath}/move`,
    summary: 'Move a rule to another priority of its list.',
    body: ruleMove,
    ...change,
  },
  modifyGroup: {
    method: 'PATCH',
    path: groupPath,
    summary: 'Switch the members rule and what else a group has beside its rules.',
    body: groupPatch,
    ...change,
  },
  listMembers: {
    method: 'GET',
    path: `${groupPath}/members`,
    summary: 'The NICs that name the group, with their addresses.',
    answer: memberList,
    ...read,
  },
  exportRules: {
    method: 'GET',
    path: `${groupPath}/rules/export`,
    summary: 'The rules as a file that an import takes back exactly.',
    query: z.strictObject({ format: z.enum(ruleFormats).default('json') }),
    answerType: 'text/plain; charset=utf-8',
    ...read,
  },
  planImport: {
    method: 'POST',
    path: `${groupPath}/rules/import/plan`,
    summary: 'Check a file of rules and say what its import would do; nothing is applied.',
    body: ruleImport,
    answer: importPlan,
    ...read,
  },
  importRules: {
    method: 'POST',
    path: `${groupPath}/rules/import`,
    summary: 'Check a file of rules as a whole and take it over, all or nothing.',
    body: ruleImport,
    ...change,
  },
  attachGroup: {
    method: 'POST',
    path: nicPath,
    summary: 'Give a NIC one more group.',
    body: groupAttachment,
    ...change,
  },
  detachGroup: {
    method: 'DELETE',
    path: `${nicPath}/:group`,
    summary: 'Take a group from a NIC.',
    ...change,
  },
  reorderGroups: {
    method: 'PUT',
    path: nicPath,
    summary: 'Put the groups of a NIC into another order.',
    body: groupOrder,
    ...change,
  },
  planPolicy: {
    method: 'POST',
    path: '/v1/enforcement/plan',
    summary: 'What a manifest or a file of rules would newly allow, newly deny and cut.',
    body: policyPlanRequest,
    answer: policyPlan,
    ...read,
  },
  listHits: {
    method: 'GET',
    path: '/v1/enforcement/hits',
    summary: 'What each rule has decided on this host since its list was loaded.',
    query: z.strictObject({
      group: z.string().optional().meta({ description: 'Absent: of all groups.' }),
    }),
    answer: ruleHits,
    ...read,
  },
  verifyRules: {
    method: 'POST',
    path: '/v1/enforcement/verify',
    summary:
      'Prove that the kernel decides every packet as the policy does, or show one it does not.',
    answer: verification,
    ...read,
  },
} as const satisfies Record<string, Operation>
