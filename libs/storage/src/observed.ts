import { type Fact, fact, sizeFact } from '@purlin/base'
import { COPYING, type PoolStatus } from './control/messages.ts'

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
  /** Volumes that the daemon offers to machines by vhost-user too. */
  readonly vhostUser: ReadonlySet<string>
  /** Paths of disks that were away when their pool was opened and can be found now. */
  readonly found: ReadonlySet<string>
  /** Paths of those of them that the daemon of this process has looked at, and which are none of
   *  the disks that their pool misses. */
  readonly strangers: ReadonlySet<string>
}

/** A daemon answers: what is planned without one waits for it, and is no failure that would make
 *  the lane look less often. */
export const DAEMON_ANSWERS: Fact = fact('daemon', 'blockd', 'answers')

/** What the storage lane tells the others: the volumes that can be used, and their sizes. Pure. */
export function storageFacts({ daemon, vhostUser }: StorageObserved): ReadonlySet<Fact> {
  if (daemon === undefined) return new Set()
  return new Set([
    DAEMON_ANSWERS,
    ...daemon.pools.flatMap(({ state, engine }) => {
      const volumes = state.phase === 'running' ? (engine?.volumes ?? []) : []
      const names = new Set(volumes.map(({ name }) => name))
      return volumes
        .filter(({ name, snapshot }) => !snapshot && !names.has(`${COPYING}${name}`))
        .flatMap(({ name, sizeBytes }) => [
          fact('volume', name, 'served'),
          fact('volume', name, sizeFact(sizeBytes)),
          ...(vhostUser.has(name) ? [fact('volume', name, 'vhost-user')] : []),
        ])
    }),
  ])
}
