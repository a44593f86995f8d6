import type { HostCapacity, HostUse, InventoryCounts } from '@purlin/schema'

/** What a host tells the others of its pool, while it is there. Its capacity stands in its
 *  resource, which stays when it goes. */
export interface ToldPool {
  readonly devices: InventoryCounts
  readonly use: HostUse
}

/** It is told at least so often, so that who reads it knows that it is not of yesterday. */
const TELL_AT_LEAST_MS = 60_000
/** A smaller change, as a part of what the host has, is not worth a revision of the store. */
const NEWS = 0.05

/** Whether the others should hear of it: the store takes a revision for each telling. Pure. */
export function isWorthTelling(
  before: ToldPool | undefined,
  now: ToldPool,
  capacity: HostCapacity,
): boolean {
  if (before === undefined) return true
  if (now.use.measuredAtMs - before.use.measuredAtMs >= TELL_AT_LEAST_MS) return true
  if (JSON.stringify(before.devices) !== JSON.stringify(now.devices)) return true
  return (['cpus', 'memoryMiB'] as const).some(
    (figure) => Math.abs(now.use[figure] - before.use[figure]) >= capacity[figure] * NEWS,
  )
}
