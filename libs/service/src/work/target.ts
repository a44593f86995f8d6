import type { PurlinError } from '@purlin/base'
import type { Kind } from '@purlin/schema'

/** A resource that a task brings about, with the store revision that asked for it. */
export interface TaskTarget {
  readonly kind: Kind
  readonly name: string
  readonly action: 'apply' | 'delete'
  readonly revision: number
  /** Work that was begun with the resource and changes nothing of it: what was asked. */
  readonly verb?: string
}

/** How far a task is, judged from what is observed. */
export interface TaskStanding {
  readonly done: number
  readonly total: number
  readonly text: string
  /** An error that waiting does not mend. */
  readonly error?: PurlinError
}
