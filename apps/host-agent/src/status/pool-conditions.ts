import type { Condition, SpecOf } from '@purlin/schema'
import type { PoolHealth } from '@purlin/storage'
import { fillLevel } from '../storage/fill-watch.ts'
import { DEEP_OVERDUE_DAYS, deepOverdue } from '../storage/scrub-due.ts'

/** What is said of a pool beside whether it is ready: how full it is, and whether it was read
 *  through lately. Nothing where it is not seen. Pure. */
export function poolConditions(
  spec: SpecOf<'StoragePool'>,
  health: PoolHealth | undefined,
  nowMs: number,
): readonly Omit<Condition, 'sinceMs'>[] {
  if (health?.phase !== 'running') return []
  const level = fillLevel(spec.capacity, health)
  const lowest = Math.min(...spec.capacity.warnAtPercent)
  const { scrub } = health
  const isOverdue = scrub !== undefined && deepOverdue(scrub, nowMs)
  return [
    level === undefined
      ? {
          ...{ type: 'Filling', status: 'false', reason: 'Room' },
          message: `the disks are filled below ${lowest} percent`,
        }
      : {
          ...{ type: 'Filling', status: 'true', reason: `Above${level}Percent` },
          message: `the disks are filled to ${level} percent or more`,
        },
    isOverdue
      ? {
          ...{ type: 'ScrubOverdue', status: 'true', reason: 'NotFinished' },
          message: `no deep scrub has finished in ${DEEP_OVERDUE_DAYS} days`,
        }
      : {
          ...{ type: 'ScrubOverdue', status: 'false', reason: 'OnTime' },
          message: `deep scrubs finish within ${DEEP_OVERDUE_DAYS} days`,
        },
  ]
}
