import { type SpecOf, withinWindow } from '@purlin/schema'
import type { ScrubRecord } from '@purlin/storage'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** What failed is not tried again before. */
const RETRY_MS = HOUR_MS
/** A pool whose last deep scrub is older may hold rot that nobody has seen. */
export const DEEP_OVERDUE_DAYS = 30

/** Which scrub of a pool should begin now. A deep one reads the metadata as well, and does not
 *  begin in busy hours. Pure. */
export function scrubDue(
  { everyHours, deepEveryDays, busy }: SpecOf<'StoragePool'>['scrub'],
  record: ScrubRecord,
  nowMs: number,
): 'metadata' | 'deep' | undefined {
  if (record.failedAtMs !== undefined && nowMs - record.failedAtMs < RETRY_MS) return undefined
  const deepMs = record.deepAtMs ?? record.firstSeenAtMs
  const isBusy = busy.some((window) => withinWindow(window, nowMs))
  if (nowMs - deepMs >= deepEveryDays * DAY_MS && !isBusy) return 'deep'
  const metadataMs = Math.max(record.metadataAtMs ?? record.firstSeenAtMs, deepMs)
  return nowMs - metadataMs >= everyHours * HOUR_MS ? 'metadata' : undefined
}

/** Whether no deep scrub of a pool has finished for too long. Pure. */
export function deepOverdue(
  { deepAtMs, firstSeenAtMs }: Pick<ScrubRecord, 'deepAtMs' | 'firstSeenAtMs'>,
  nowMs: number,
): boolean {
  return nowMs - (deepAtMs ?? firstSeenAtMs) >= DEEP_OVERDUE_DAYS * DAY_MS
}
