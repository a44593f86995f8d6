import type { LaneStep } from '@purlin/base'
import type { ControlCalls } from '../control/messages.ts'
import type { CallOfStep, StorageStep } from './step.ts'

/** For a new process of the daemon: it opens every pool. */
export const CONFIGURE_DEADLINE_MS = 120_000
/** For what the daemon answers when it is durable. */
export const CALL_DEADLINE_MS = 40_000
/** For a copy into another pool. One that takes longer goes on in the daemon. */
const COPY_DEADLINE_MS = 3_600_000

/** What a step has that waits for no other lane. Pure. */
export function free(summary: string, deadlineMs: number): LaneStep {
  return { summary, requires: [], forbids: [], deadlineMs }
}

/** A call of the daemon as a step. Pure. */
export function callStep<Name extends CallOfStep>(
  call: Name,
  subject: string,
  summary: string,
  words: ControlCalls[Name],
): StorageStep {
  // A cache that leaves writeback brings all that is dirty home first, and a new SSD is filled.
  const long = ['volume-clone', 'cache-mode', 'cache-device-add'].includes(call)
  const deadlineMs = long ? COPY_DEADLINE_MS : CALL_DEADLINE_MS
  return { kind: 'call', call, subject, words, ...free(summary, deadlineMs) } as StorageStep
}
