import type { PlanAnswer } from '@purlin/schema'
import { type Catalogue, catalogueAfter, plannedChange } from '@purlin/service'
import { type AdmitOptions, admitApply } from '../admit/change.ts'

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
  return { changes: change.changes.map(plannedChange), after: catalogueAfter(catalogue, change) }
}
