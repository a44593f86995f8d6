import { z } from 'zod'
import { task } from '../work/task.ts'
import type { Operation } from './operation.ts'

/** A machine that was deleted and may come back. */
export const trashedMachine = z
  .strictObject({
    uid: z.string(),
    name: z.string(),
    host: z.string().optional(),
    deletedAtMs: z.number().int(),
    keptUntilMs: z.number().int().meta({ description: 'Then it is forgotten.' }),
    disks: z.array(z.string()).meta({ description: 'The volumes it had.' }),
    addresses: z.array(z.string()).meta({ description: 'The addresses it had.' }),
  })
  .meta({ id: 'TrashedMachine' })
export type TrashedMachine = z.infer<typeof trashedMachine>

export const undeleteRequest = z
  .strictObject({
    newAddresses: z.boolean().default(false).meta({
      description: 'Give NICs whose MAC or addresses others have by now new ones.',
    }),
  })
  .meta({ id: 'UndeleteRequest' })
export type UndeleteRequest = z.input<typeof undeleteRequest>

/** The calls about machines that were deleted. */
export const trashOperations = {
  listTrash: {
    method: 'GET',
    path: '/v1/trash',
    summary: 'Machines that were deleted and may come back, the last one first.',
    role: 'viewer',
    status: 200,
    answer: z.strictObject({ items: z.array(trashedMachine) }),
  },
  undeleteMachine: {
    method: 'POST',
    path: '/v1/trash/:uid/restore',
    summary: 'Bring a deleted machine back: the same identity, MACs and addresses.',
    role: 'operator',
    status: 202,
    body: undeleteRequest,
    answer: task,
  },
  forgetTrash: {
    method: 'DELETE',
    path: '/v1/trash/:uid',
    summary: 'Forget a deleted machine at once.',
    role: 'operator',
    status: 200,
    answer: z.strictObject({}),
  },
} as const satisfies Record<string, Operation>
