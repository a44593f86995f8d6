import { stateTable } from '@purlin/base'
import { z } from 'zod'

/** The life of a task. Terminal states have no row. */
export const taskStates = stateTable({
  queued: { start: 'running', succeed: 'succeeded', fail: 'failed', cancel: 'cancelled' },
  running: { succeed: 'succeeded', fail: 'failed', cancel: 'cancelled' },
})

/** Work that was asked for and goes on: what, how far, how it ended. One shape for all of
 *  Purlin. */
export const task = z
  .strictObject({
    id: z.string(),
    verb: z.string().meta({ example: 'apply' }),
    targets: z.array(z.strictObject({ kind: z.string(), name: z.string() })),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    progress: z.strictObject({
      done: z.number().int(),
      total: z.number().int(),
      text: z.string().meta({ description: 'What is being waited for, for people.' }),
    }),
    problem: z
      .looseObject({ code: z.string(), detail: z.string() })
      .optional()
      .meta({ description: 'Why it failed; an RFC 9457 problem.' }),
    result: z.unknown().optional().meta({ description: 'What the work gave, by verb.' }),
    createdAtMs: z.number().int(),
    endedAtMs: z.number().int().optional(),
  })
  .meta({ id: 'Task' })
export type Task = z.infer<typeof task>

/** Whether the task has come to its end. */
export function taskEnded(one: Task): boolean {
  return !Object.hasOwn(taskStates.rows, one.state)
}
