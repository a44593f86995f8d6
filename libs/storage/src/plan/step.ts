import type { LaneStep } from '@purlin/base'
import type { ControlCalls } from '../control/messages.ts'

type Calling = {
  readonly [Name in keyof ControlCalls]: {
    readonly kind: 'call'
    readonly call: Name
    readonly words: ControlCalls[Name]
    /** What the call is about: a volume, a snapshot or a pool. */
    readonly subject: string
  }
}[Exclude<keyof ControlCalls, 'status' | 'upgrade'>]

/** What the storage lane does in one go. */
export type StorageStep = LaneStep &
  (
    | Calling
    /** Notes that volumes and snapshots that stand are those of resources. */
    | { readonly kind: 'adopt'; readonly names: readonly string[] }
    /** Writes the daemon's configuration; with `restart` a new process of it takes over. */
    | { readonly kind: 'configure'; readonly text: string; readonly restart: boolean }
    /** Waits for the daemon. */
    | { readonly kind: 'reach'; readonly found: string }
  )
