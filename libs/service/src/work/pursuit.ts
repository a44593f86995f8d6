import { PurlinError } from '@purlin/base'
import { type Kind, kinds, type Task } from '@purlin/schema'
import type { StoreEntry, Write } from '@purlin/store'
import type { AdmittedChange } from '../admit/change.ts'
import type { Catalogue } from '../resources/catalogue.ts'
import { type ResourceRecord, resourceKey } from '../resources/record.ts'
import type { TaskTarget } from './target.ts'

/** What a task is after, and how to take it back; written in the transaction of the change, so that
 *  an agent that starts again goes on with the task, and a cancel knows what was there before. */
export interface Pursuit {
  /** The host whose agent follows the task; another one does when that host is gone. */
  readonly host: string
  readonly targets: readonly (Omit<TaskTarget, 'revision'> & {
    /** Absent: the revision of this very transaction. */
    readonly revision?: number
  })[]
  readonly before: readonly { readonly key: string; readonly record: ResourceRecord | null }[]
}

export const PURSUIT_PREFIX = '/pursuit/'

/** Where a task's pursuit lies. */
export function pursuitKey(taskId: string): string {
  return `${PURSUIT_PREFIX}${taskId}`
}

/** The pursuit of an admitted change and of documents that change nothing. Pure. */
export function pursuitOf(
  change: AdmittedChange,
  unchanged: readonly { readonly kind: Kind; readonly name: string; readonly revision: number }[],
  host: string,
): Pursuit {
  return {
    host,
    targets: [
      ...change.changes
        .filter(({ kind }) => !('observed' in kinds[kind]))
        .map(({ kind, name, action }) => ({
          kind,
          name,
          action: action === 'delete' ? ('delete' as const) : ('apply' as const),
        })),
      ...unchanged.map((target) => ({ ...target, action: 'apply' as const })),
    ],
    before: change.changes.map(({ kind, name, before }) => ({
      key: resourceKey(kind, name),
      record: before === undefined ? null : recordOnly(before),
    })),
  }
}

/** The targets of a stored pursuit, each with the revision to wait for. Pure. */
export function targetsOf(entry: StoreEntry): readonly TaskTarget[] {
  const { targets } = entry.value as Pursuit
  return targets.map((target) => ({ ...target, revision: target.revision ?? entry.revision }))
}

/** Targets as a task names them. Pure. */
export function namedTargets(pursuit: Pursuit): Task['targets'] {
  return pursuit.targets.map(({ kind, name }) => ({ kind, name }))
}

/** The host whose agent follows the task of a stored pursuit. Pure. */
export function hostOf(entry: StoreEntry): string {
  return (entry.value as Pursuit).host
}

/** The writes that put back what was there before. A spec that comes back is a new generation.
 *  Pure. Errors: PUR_STORE_CONFLICT where one of them was changed since. */
export function undoOf(entry: StoreEntry, catalogue: Catalogue): readonly Write[] {
  const { before, targets } = entry.value as Pursuit
  const deleted = new Set(
    targets
      .filter(({ action }) => action === 'delete')
      .map(({ kind, name }) => resourceKey(kind, name)),
  )
  const standing = new Map(
    catalogue.all().map((one) => [resourceKey(one.manifest.kind, one.manifest.name), one.revision]),
  )
  for (const { key } of before) {
    const found = standing.get(key) ?? 0
    if (found === (deleted.has(key) ? 0 : entry.revision)) continue
    throw new PurlinError('PUR_STORE_CONFLICT', {
      message: `${key} was changed again since; what it was before is not put back`,
      context: { key, found },
    })
  }
  return before.map(({ key, record }) =>
    record === null
      ? { delete: key }
      : { put: key, value: { ...record, generation: record.generation + 2 } },
  )
}

function recordOnly({ manifest, uid, generation, createdAtMs }: ResourceRecord): ResourceRecord {
  return { manifest, uid, generation, createdAtMs }
}
