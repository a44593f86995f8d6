import type { operations } from '@purlin/schema'
import type { HandlersOf } from '@purlin/service'

/** A handler for each call of the agent. */
export type OperationHandlers = HandlersOf<typeof operations>
