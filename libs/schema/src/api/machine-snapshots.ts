import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { freezeWishes } from '../resources/machine-snapshot.ts'
import { task } from '../work/task.ts'
import type { Operation } from './operation.ts'

/** A snapshot of a machine that is asked for. */
export const machineSnapshotRequest = z
  .strictObject({
    name: resourceName,
    memory: z.boolean().default(false).meta({
      description: 'Keep what the guest has in memory, too; it stands still while that is written.',
    }),
    freeze: z.enum(freezeWishes).default('auto').meta({
      description:
        'auto: the guest writes out its file systems first where its agent answers; required: else no snapshot; never: it is not asked.',
    }),
  })
  .meta({ id: 'MachineSnapshotRequest' })
export type MachineSnapshotRequest = z.input<typeof machineSnapshotRequest>

export const machineRevertRequest = z
  .strictObject({
    withoutMemory: z.boolean().default(false).meta({
      description: 'Go back to the disks alone; the machine stays off.',
    }),
  })
  .meta({ id: 'MachineRevertRequest' })
export type MachineRevertRequest = z.input<typeof machineRevertRequest>

const path = '/v1/machine-snapshots/:name'
const act = { method: 'POST', role: 'operator', status: 202, answer: task } as const

/** The calls about snapshots of machines. */
export const machineSnapshotOperations = {
  createMachineSnapshot: {
    ...act,
    path: '/v1/virtual-machines/:name/snapshots',
    summary: 'Keep all disks of a machine as they are at one instant, and its memory if asked.',
    body: machineSnapshotRequest,
  },
  revertMachineSnapshot: {
    ...act,
    path: `${path}/revert`,
    summary: 'Make a stopped machine what it was: its disks, and its memory where that was kept.',
    body: machineRevertRequest,
  },
  deleteMachineSnapshot: {
    ...act,
    method: 'DELETE',
    path,
    summary: 'Forget a snapshot of a machine; what its disks are now stays.',
  },
} as const satisfies Record<string, Operation>
