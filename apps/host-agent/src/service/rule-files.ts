import { PurlinError } from '@purlin/base'
import { exportRules, type PlannedImport, planImport } from '@purlin/netfilter'
import type { SecurityGroupSpec } from '@purlin/schema'
import type { Catalogue, Once } from '@purlin/service'
import type { OperationHandlers } from '../api/handlers.ts'
import type { OperationGrounds } from './operations.ts'

export type RuleFileHandlers = Pick<OperationHandlers, 'exportRules' | 'planImport' | 'importRules'>
type ImportCall = Parameters<RuleFileHandlers['planImport']>[0]

/** The calls that read and write a group's rules as a file. */
export function ruleFileHandlers(
  { catalogue, changes }: OperationGrounds,
  once: Once,
): RuleFileHandlers {
  return {
    exportRules: async ({ params, query }) => {
      const name = params.name ?? ''
      return exportRules(name, specOf(catalogue.current(), name), query.format)
    },
    planImport: async ({ params, body }) => {
      const current = catalogue.current()
      const name = params.name ?? ''
      return planned(current, name, specOf(current, name), body).plan
    },
    importRules: (call) => {
      const { params, body, ifRevision } = call
      const name = params.name ?? ''
      const subject = { kind: 'SecurityGroup', name, ifRevision } as const
      return once(call, (request) =>
        changes.modify(
          'import-rules',
          subject,
          (spec, from) => planned(from, name, spec, body).spec,
          request,
        ),
      )
    },
  }
}

/** A group's spec as an import would make it. Errors: PUR_RESOURCE_MISSING, PUR_INVALID with the
 *  line of every problem. */
export function importedSpec(
  catalogue: Catalogue,
  name: string,
  body: ImportCall['body'],
): SecurityGroupSpec {
  return planned(catalogue, name, specOf(catalogue, name), body).spec
}

function planned(
  catalogue: Catalogue,
  name: string,
  spec: SecurityGroupSpec,
  body: ImportCall['body'],
): PlannedImport {
  const request = { ...body, groups: new Map(Object.entries(body.groups)) }
  const hasGroup = (group: string): boolean => catalogue.get('SecurityGroup', group) !== undefined
  return planImport(request, { name, spec, hasGroup })
}

function specOf(catalogue: Catalogue, name: string): SecurityGroupSpec {
  const record = catalogue.get('SecurityGroup', name)
  if (record !== undefined) return record.manifest.spec
  throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no SecurityGroup named ${name}` })
}
