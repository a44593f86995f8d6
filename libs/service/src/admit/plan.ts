import type { Kind, PlanAnswer } from '@purlin/schema'
import { type Catalogue, catalogueOf } from '../resources/catalogue.ts'
import { resourceKey, type StoredRecord } from '../resources/record.ts'
import type { AdmittedChange } from './change.ts'
import { fieldDifferences } from './field-difference.ts'

/** A change as a plan tells it, field by field. Pure. */
export function plannedChange(
  change: AdmittedChange['changes'][number],
): PlanAnswer['changes'][number] {
  const { action, kind, name, before, after } = change
  const fields =
    action === 'update'
      ? [
          ...fieldDifferences(before?.manifest.spec, after?.manifest.spec, 'spec'),
          ...fieldDifferences(before?.manifest.labels, after?.manifest.labels, 'labels'),
        ]
      : []
  return { action, kind, name, fields }
}

/** The catalogue as it would be after a change. Pure. */
export function catalogueAfter(catalogue: Catalogue, change: AdmittedChange): Catalogue {
  const revision = catalogue.revision + 1
  const records = new Map<string, StoredRecord>(
    catalogue.all().map((record) => [keyOf(record.manifest), record]),
  )
  for (const { kind, name, after } of change.changes) {
    if (after === undefined) records.delete(resourceKey(kind, name))
    else records.set(resourceKey(kind, name), { ...after, revision })
  }
  return catalogueOf(records, revision)
}

function keyOf({ kind, name }: { kind: Kind; name: string }): string {
  return resourceKey(kind, name)
}
