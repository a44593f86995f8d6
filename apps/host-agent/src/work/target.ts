import { errorCatalogue, type PurlinError, type RetryAdvice } from '@purlin/base'
import type { Catalogue, StoredRecord, TaskStanding, TaskTarget } from '@purlin/service'
import type { HostView } from '../status/host-view.ts'
import { goneFrom, type Readiness, readinessOf } from '../status/readiness.ts'

/** What is observed of a resource: by the host it is on, or by all; without one, by all. */
export type ViewOf = (record?: StoredRecord) => HostView

/** Judges a task's targets. A target that was changed or deleted again since is done: the newer
 *  change has a task of its own. Pure. */
export function standingOf(
  targets: readonly TaskTarget[],
  catalogue: Catalogue,
  viewOf: ViewOf,
): TaskStanding {
  const open = targets
    .map((target) => ({ target, readiness: readinessOfTarget(target, catalogue, viewOf) }))
    .filter(({ readiness }) => readiness.status !== 'true')
  const total = targets.length
  const first = open[0]
  if (first === undefined) return { done: total, total, text: 'done' }
  const text = `${first.target.kind} ${first.target.name}: ${first.readiness.message}`
  const error = open
    .map(({ readiness }) => readiness.error)
    .find((one) => one !== undefined && retryOf(one) !== 'later')
  return { done: total - open.length, total, text, ...(error && { error }) }
}

function readinessOfTarget(target: TaskTarget, catalogue: Catalogue, viewOf: ViewOf): Readiness {
  const record = catalogue.get(target.kind, target.name)
  if (catalogue.revision < target.revision) {
    return { status: 'unknown', reason: 'Pending', message: 'not read back from the store yet' }
  }
  if (target.action === 'delete') {
    return record === undefined ? goneFrom(target, target.revision, viewOf()) : SUPERSEDED
  }
  return record?.revision === target.revision ? readinessOf(record, viewOf(record)) : SUPERSEDED
}

const SUPERSEDED: Readiness = {
  status: 'true',
  reason: 'Superseded',
  message: 'changed again since',
}

function retryOf(error: PurlinError): RetryAdvice {
  return errorCatalogue[error.code].retry
}
