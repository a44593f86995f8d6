import type { PoolStatus } from './control/messages.ts'

/** The block daemon and what belongs to Purlin in it. */
export interface StorageObserved {
  /** Absent: no daemon answers; `trouble` says why. */
  readonly daemon?: { readonly process: number; readonly pools: readonly PoolStatus[] }
  readonly trouble?: string
  /** The text of the daemon's configuration file; empty where there is none. */
  readonly configuration: string
  /** Volumes and snapshots that were made or taken over for a resource: nothing else is ever
   *  deleted. */
  readonly owned: ReadonlySet<string>
  /** The limits that this driver has set in the daemon of this process, as JSON by volume. */
  readonly limits: ReadonlyMap<string, string>
}
