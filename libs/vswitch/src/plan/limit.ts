import type { RateLimit } from '@purlin/schema'
import type { LimitObserved } from '../observed.ts'

/** A limit of what a port of the switch sends to its machine, as the database takes it: bits. */
export interface LimitWanted {
  readonly rateBits: string
  readonly burstBits: string
}

/** The words of Open vSwitch for a limit. They count whole frames on layer 2. Pure. */
export function limitWanted(limit: RateLimit): LimitWanted {
  return {
    rateBits: String(limit.kbitPerSecond * 1_000),
    burstBits: String(burstKbitOf(limit) * 1_000),
  }
}

/** What may pass at once: as said, or a tenth of a second, and two large frames at least. Pure. */
export function burstKbitOf({ kbitPerSecond, burstKbit }: RateLimit): number {
  return burstKbit ?? Math.max(Math.ceil(kbitPerSecond / 10), 24)
}

/** Whether a port is limited as wanted; where nothing is wanted, a limit of somebody else's stays.
 *  Pure. */
export function sameLimit(
  found: LimitObserved | undefined,
  wanted: LimitWanted | undefined,
): boolean {
  if (wanted === undefined) return found?.isOurs !== true
  if (found === undefined) return false
  return (
    found.isOurs &&
    found.type === 'linux-htb' &&
    found.maxRate === wanted.rateBits &&
    found.queue['max-rate'] === wanted.rateBits &&
    found.queue['min-rate'] === wanted.rateBits &&
    found.queue.burst === wanted.burstBits
  )
}
