import type { LaneStep } from '@purlin/base'
import type { ControlCalls } from '../control/messages.ts'

/** Calls that are a step as they are. */
export type CallOfStep = Exclude<keyof ControlCalls, 'status' | 'upgrade' | 'disk-return'>

type Calling = {
  readonly [Name in CallOfStep]: {
    readonly kind: 'call'
    readonly call: Name
    readonly words: ControlCalls[Name]
    /** What the call is about: a volume, a snapshot or a pool. */
    readonly subject: string
  }
}[CallOfStep]

/** What the storage lane does in one go. */
export type StorageStep = LaneStep &
  (
    | Calling
    /** Notes that volumes and snapshots that stand are those of resources. */
    | { readonly kind: 'adopt'; readonly names: readonly string[] }
    /** Has a pool look at a disk that may be the one it misses. */
    | {
        readonly kind: 'return'
        readonly pool: string
        readonly disk: string
        readonly path: string
        /** Nothing says that it is one of the pool's: it may be added where it is not. */
        readonly mayBeNew: boolean
      }
    /** Writes the daemon's configuration; with `restart` a new process of it takes over. */
    | { readonly kind: 'configure'; readonly text: string; readonly restart: boolean }
    /** Waits for the daemon. */
    | { readonly kind: 'reach'; readonly found: string }
  )
