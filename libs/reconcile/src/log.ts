import type { ErrorCode } from '@purlin/base'

/** What the loop did or met, for the log. */
export interface ReconcileLogEntry {
  readonly lane: string
  readonly level: 'info' | 'warning' | 'error'
  readonly message: string
  readonly code?: ErrorCode
}

export type ReconcileLog = (entry: ReconcileLogEntry) => void
