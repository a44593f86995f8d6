import { PurlinError } from '@purlin/base'
import {
  attachGroup,
  detachGroup,
  findRule,
  insertRules,
  modifyRule,
  moveRule,
  type NicGroups,
  removeRule,
  reorderGroups,
} from '@purlin/netfilter'
import type { GroupPatch, MemberList, SecurityGroupSpec, Task } from '@purlin/schema'
import type { Call, Catalogue, Once, OnceRequest } from '@purlin/service'
import type { OperationHandlers } from '../api/handlers.ts'
import { everyNic } from '../desired/local-nics.ts'
import type { OperationGrounds } from './operations.ts'
import { type RuleFileHandlers, ruleFileHandlers } from './rule-files.ts'

type SecurityGroupHandlers = RuleFileHandlers &
  Pick<
    OperationHandlers,
    | 'addRules'
    | 'modifyRule'
    | 'deleteRule'
    | 'moveRule'
    | 'modifyGroup'
    | 'listMembers'
    | 'attachGroup'
    | 'detachGroup'
    | 'reorderGroups'
  >

/** The calls that change single things of a group or of the groups of a NIC: each is one revision
 *  of one resource, judged as a whole. */
export function securityGroupHandlers(
  grounds: OperationGrounds,
  once: Once,
): SecurityGroupHandlers {
  const { changes, catalogue } = grounds
  const group = (
    verb: string,
    call: Call,
    edit: (spec: SecurityGroupSpec, name: string) => SecurityGroupSpec,
  ): Promise<Task> => {
    const name = call.params.name ?? ''
    const subject = { kind: 'SecurityGroup', name, ifRevision: call.ifRevision } as const
    return once(call, (request) =>
      changes.modify(verb, subject, (spec) => edit(spec, name), request),
    )
  }
  const nic = (
    verb: string,
    call: Call,
    edit: (standing: NicGroups) => readonly string[],
  ): Promise<Task> => once(call, (request) => changeNic(grounds, verb, call, edit, request))
  return {
    ...ruleFileHandlers(grounds, once),
    addRules: (call) => {
      const { body } = call
      return group('add-rules', call, (spec, name) => insertRules(name, spec, body, body.priority))
    },
    modifyRule: (call) =>
      group('modify-rule', call, (spec, name) =>
        modifyRule(spec, findRule(name, spec, call.params.rule ?? ''), call.body),
      ),
    deleteRule: (call) =>
      group('delete-rule', call, (spec, name) =>
        removeRule(spec, findRule(name, spec, call.params.rule ?? '')),
      ),
    moveRule: (call) =>
      group('move-rule', call, (spec, name) =>
        moveRule(name, spec, findRule(name, spec, call.params.rule ?? ''), call.body.priority),
      ),
    modifyGroup: (call) => group('modify-group', call, (spec) => patched(spec, call.body)),
    listMembers: async ({ params }) => membersOf(catalogue.current(), params.name ?? ''),
    attachGroup: (call) =>
      nic('attach-group', call, (standing) =>
        attachGroup(standing, call.body.group, call.body.priority),
      ),
    detachGroup: (call) =>
      nic('detach-group', call, (standing) => detachGroup(standing, call.params.group ?? '')),
    reorderGroups: (call) =>
      nic('reorder-groups', call, (standing) => reorderGroups(standing, call.body.groups)),
  }
}

/** The group with what the patch names; null takes the description away. */
function patched(spec: SecurityGroupSpec, patch: GroupPatch): SecurityGroupSpec {
  const { description, ...rest } = { ...spec, ...patch }
  const { allowWithinGroup, keepEstablished } = rest
  return {
    ...rest,
    allowWithinGroup: allowWithinGroup ?? spec.allowWithinGroup,
    keepEstablished: keepEstablished ?? spec.keepEstablished,
    ...(typeof description === 'string' && { description }),
  }
}

function membersOf(catalogue: Catalogue, name: string): MemberList {
  if (catalogue.get('SecurityGroup', name) === undefined) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no SecurityGroup named ${name}` })
  }
  const members = everyNic(catalogue).filter(({ nic }) => nic.securityGroups.includes(name))
  return {
    items: members.map(({ machine, nic, port }) => ({
      nic: `${machine.name}/${nic.name}`,
      ipv4: port.spec.ipv4,
      ipv6: port.spec.ipv6,
    })),
  }
}

async function changeNic(
  { changes }: OperationGrounds,
  verb: string,
  { params, ifRevision }: Call,
  edit: (standing: NicGroups) => readonly string[],
  request: OnceRequest | undefined,
): Promise<Task> {
  const { name = '', nic: nicName = '' } = params
  const subject = { kind: 'VirtualMachine', name, ifRevision } as const
  return await changes.modify(
    verb,
    subject,
    (spec) => {
      const standing = spec.nics.find((nic) => nic.name === nicName)
      if (standing === undefined) {
        const known = spec.nics.map((nic) => nic.name).join(', ') || 'none'
        const message = `VirtualMachine ${name} has no NIC ${nicName}; it has: ${known}`
        throw new PurlinError('PUR_INVALID', { message, problems: [{ path: 'nic', message }] })
      }
      const groups = edit({ nic: `${name}/${nicName}`, groups: standing.securityGroups })
      const changed = { ...standing, securityGroups: [...groups] }
      return { ...spec, nics: spec.nics.map((nic) => (nic === standing ? changed : nic)) }
    },
    request,
  )
}
