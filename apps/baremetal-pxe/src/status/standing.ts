import { PurlinError } from '@purlin/base'
import { chassisAtRest } from '@purlin/schema'
import type { Catalogue, TaskStanding, TaskTarget } from '@purlin/service'
import type { Life } from '../life/index.ts'
import type { DaemonView } from './daemon-view.ts'
import { errorOfLife, isErrorCode } from './life-error.ts'
import { goneFrom, type Readiness, readinessOf } from './readiness.ts'

/** How far a task's targets are. A target that was changed or deleted again since is done: the
 *  newer change has a task of its own. Pure. */
export function standingOf(
  targets: readonly TaskTarget[],
  catalogue: Catalogue,
  view: DaemonView,
): TaskStanding {
  const judged = targets.map((target) => ({ target, found: foundOf(target, catalogue, view) }))
  const open = judged.filter(({ found }) => found.status !== 'true' && !found.waitsForPerson)
  const total = targets.length
  const first = open[0]
  if (first === undefined) return { done: total, total, text: 'done' }
  const text = `${first.target.kind} ${first.target.name}: ${first.found.message}`
  const error = open.map(({ found }) => found.error).find((one) => one !== undefined)
  return { done: total - open.length, total, text, ...(error && { error }) }
}

function foundOf(target: TaskTarget, catalogue: Catalogue, view: DaemonView): Readiness {
  if (target.verb !== undefined) return verbFound(target.name, target.verb, view)
  if (catalogue.revision < target.revision) {
    return { status: 'unknown', reason: 'Pending', message: 'not read back from the store yet' }
  }
  const record = catalogue.get(target.kind, target.name)
  if (target.action === 'delete') return record ? SUPERSEDED : goneFrom(target, view)
  return record?.revision === target.revision ? readinessOf(record, view) : SUPERSEDED
}

/** Work that was begun with a chassis has ended when the chassis is at rest; its power may also be
 *  switched while it is failed. */
function verbFound(chassis: string, verb: string, view: DaemonView): Readiness {
  const life = view.lifeOf(chassis)
  if (life === undefined) return SUPERSEDED
  const error = verb.startsWith('power') ? powerError(life) : errorOfLife(life)
  if (error !== undefined)
    return { status: 'false', reason: 'Failed', message: error.message, error }
  const message = life.state
  if (chassisAtRest(life.state) && life.pending.length === 0) {
    return { status: 'true', reason: 'AtRest', message }
  }
  return { status: 'false', reason: 'Working', message }
}

/** Why a power command was given up, once it was. */
function powerError({ chassis, trouble, pending }: Life): PurlinError | undefined {
  if (trouble?.command !== 'power' || pending.some(({ work }) => work.do === 'power')) {
    return undefined
  }
  const code = isErrorCode(trouble.code) ? trouble.code : 'PUR_BMC_POWER_STUCK'
  return new PurlinError(code, { message: `chassis ${chassis}: ${trouble.cause}` })
}

const SUPERSEDED: Readiness = {
  status: 'true',
  reason: 'Superseded',
  message: 'changed again since',
}
