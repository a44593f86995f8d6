import type { Kind, PlanAnswer } from '@purlin/schema'
import { type AdmitOptions, type AdmittedChange, admitApply } from '../admit/change.ts'
import { fieldDifferences } from '../admit/field-difference.ts'
import { type Catalogue, catalogueOf } from '../resources/catalogue.ts'
import { resourceKey, type StoredRecord } from '../resources/record.ts'

/** What documents would change, and the catalogue as it would be. Pure. Errors: those of
 *  admitApply. */
export function hypothetical(
  catalogue: Catalogue,
  documents: readonly unknown[],
  images: readonly string[],
  nowMs: number,
  places: AdmitOptions = {},
): { readonly changes: PlanAnswer['changes']; readonly after: Catalogue } {
  if (documents.length === 0) return { changes: [], after: catalogue }
  const change = admitApply(catalogue, documents, images, nowMs, places)
  return { changes: change.changes.map(describe), after: applied(catalogue, change) }
}

function describe(change: AdmittedChange['changes'][number]): PlanAnswer['changes'][number] {
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

function applied(catalogue: Catalogue, change: AdmittedChange): Catalogue {
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
