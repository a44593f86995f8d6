import { isDeepStrictEqual } from 'node:util'
import { newIdentifier, type Problem, PurlinError } from '@purlin/base'
import { type Kind, kinds, type Manifest, referencesOf } from '@purlin/schema'
import type { Write } from '@purlin/store'
import type { Catalogue } from '../resources/catalogue.ts'
import { type ResourceRecord, resourceKey, type StoredRecord } from '../resources/record.ts'

/** One resource that an admitted change creates, updates or deletes. */
export interface ResourceChange {
  readonly action: 'create' | 'update' | 'delete'
  readonly kind: Kind
  readonly name: string
  readonly before?: StoredRecord
  readonly after?: ResourceRecord
}

/** An admitted change: what it does to each resource, and what is written for it. It rests on the
 *  whole catalogue, since addresses and references do, and holds for no other one. */
export interface AdmittedChange {
  readonly changes: readonly ResourceChange[]
  readonly writes: readonly Write[]
}

/** The change that brings about `records` and takes `deleted` away; what stays the same is no part
 *  of it. Pure. */
export function admittedChange(
  catalogue: Catalogue,
  records: readonly ResourceRecord[],
  deleted: readonly StoredRecord[],
): AdmittedChange {
  return writtenChange([
    ...records.flatMap((record) => changeOf(catalogue, record)),
    ...deleted.map((before): ResourceChange => {
      const { kind, name } = before.manifest
      return { action: 'delete', kind, name, before }
    }),
  ])
}

/** A change with the writes that make it. Pure. */
export function writtenChange(changes: readonly ResourceChange[]): AdmittedChange {
  return {
    changes,
    writes: changes.map(({ kind, name, after }) =>
      after === undefined
        ? { delete: resourceKey(kind, name) }
        : { put: resourceKey(kind, name), value: after },
    ),
  }
}

/** The record of a resource that may be deleted, since nothing names it. Pure.
 *  Errors: PUR_RESOURCE_MISSING, PUR_RESOURCE_IN_USE. */
export function unusedRecord(catalogue: Catalogue, kind: Kind, name: string): StoredRecord {
  const standing = catalogue.get(kind, name)
  if (standing === undefined || 'observed' in kinds[kind]) {
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name} to delete` })
  }
  const users = catalogue
    .all()
    .filter((record) => !(record.manifest.kind === kind && record.manifest.name === name))
    .filter((record) =>
      referencesOf(record.manifest).some((to) => to.kind === kind && to.name === name),
    )
    .map((record) => `${record.manifest.kind} ${record.manifest.name}`)
  if (users.length > 0) {
    throw new PurlinError('PUR_RESOURCE_IN_USE', {
      message: `${kind} ${name} is named by ${users.slice(0, 5).join(', ')}${users.length > 5 ? ` and ${users.length - 5} more` : ''}; change or delete those first`,
      context: { users },
    })
  }
  return standing
}

/** The answer to a manifest with problems. Pure. */
export function invalidManifest(problems: readonly Problem[]): PurlinError {
  const count = problems.length
  return new PurlinError('PUR_INVALID', {
    message: `the manifest has ${count} problem${count === 1 ? '' : 's'}; nothing was applied`,
    problems,
  })
}

/** The record of a manifest: a new one, or the next generation where the spec differs. Pure. */
export function nextRecord(
  catalogue: Catalogue,
  manifest: Manifest,
  nowMs: number,
): ResourceRecord {
  const standing = catalogue.get(manifest.kind, manifest.name)
  if (standing === undefined) {
    return { manifest, uid: newIdentifier(nowMs), generation: 1, createdAtMs: nowMs }
  }
  const sameSpec = isDeepStrictEqual(plain(standing.manifest.spec), plain(manifest.spec))
  return {
    manifest,
    uid: standing.uid,
    generation: standing.generation + (sameSpec ? 0 : 1),
    createdAtMs: standing.createdAtMs,
  }
}

function changeOf(catalogue: Catalogue, record: ResourceRecord): ResourceChange[] {
  const { kind, name } = record.manifest
  const before = catalogue.get(kind, name)
  if (before === undefined) return [{ action: 'create', kind, name, after: record }]
  if (isDeepStrictEqual(plain(before.manifest), plain(record.manifest))) return []
  return [{ action: 'update', kind, name, before, after: record }]
}

/** As the store would give it back: absent and undefined are the same. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
