import { isDeepStrictEqual } from 'node:util'
import { PurlinError } from '@purlin/base'
import { checkManifest, kinds } from '@purlin/schema'
import type { Catalogue } from '../resources/catalogue.ts'
import { type ResourceRecord, resourceKey } from '../resources/record.ts'
import { type AdmittedChange, type ResourceChange, writtenChange } from './change.ts'

/** What bringing a backup's resources back changes: what is not in it goes, what differs is a new
 *  generation. Ports come back as they were given out. Pure. Errors: PUR_INVALID. */
export function admitRestore(
  catalogue: Catalogue,
  records: readonly ResourceRecord[],
): AdmittedChange {
  const manifests = records.map(({ manifest }) => manifest)
  const checked = checkManifest(manifests.filter(({ kind }) => !('observed' in kinds[kind])))
  if (checked.manifests === undefined) {
    const message =
      'restore: the backup holds resources this version does not accept; nothing was changed'
    throw new PurlinError('PUR_INVALID', { message, problems: checked.problems })
  }
  const wanted = new Set(manifests.map(({ kind, name }) => resourceKey(kind, name)))
  const changes = [
    ...records.flatMap((record) => changeTo(catalogue, record)),
    ...catalogue
      .all()
      .filter(({ manifest: { kind, name } }) => !wanted.has(resourceKey(kind, name)))
      .map((before): ResourceChange => {
        const { kind, name } = before.manifest
        return { action: 'delete', kind, name, before }
      }),
  ]
  return writtenChange(changes)
}

function changeTo(catalogue: Catalogue, record: ResourceRecord): ResourceChange[] {
  const { kind, name } = record.manifest
  const before = catalogue.get(kind, name)
  if (before === undefined) return [{ action: 'create', kind, name, after: record }]
  if (isDeepStrictEqual(before.manifest, record.manifest)) return []
  const generation = Math.max(before.generation, record.generation) + 1
  return [{ action: 'update', kind, name, before, after: { ...record, generation } }]
}
