import { stateTable } from '@purlin/base'
import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** The life of a machine's snapshot, as the store has it before each thing that is done. `gone`:
 *  the record is no more, and what it had of snapshots and memory goes. One that is being taken
 *  when its agent ends is gone; one that is being gone back to is gone back to by the next one. */
export const machineSnapshotPhases = stateTable({
  asked: { begin: 'taking', fail: 'gone' },
  taking: { taken: 'taken', fail: 'gone' },
  taken: { revert: 'reverting', remove: 'removing' },
  reverting: { refused: 'taken', 'rolled-back': 'restoring', 'gone-back': 'taken' },
  restoring: { 'gone-back': 'taken', forgo: 'restoring' },
  removing: { removed: 'gone' },
})
export type MachineSnapshotPhase = keyof typeof machineSnapshotPhases.rows

/** Whether the guest's file systems are written out first: where its agent answers, in any case, or
 *  not at all. */
export const freezeWishes = ['auto', 'required', 'never'] as const

/** One disk of a machine's snapshot. */
const part = z
  .strictObject({
    name: z.string().meta({ description: 'The disk, as the machine names it.' }),
    volume: resourceName,
    volumeUid: z.string().meta({ description: 'A volume made anew under the name is another.' }),
    snapshot: z.string().meta({ description: 'The snapshot in the block daemon.' }),
    sizeBytes: z.number().int().optional(),
  })
  .meta({ id: 'MachineSnapshotDisk' })

/** What saved memory can only be taken up by again. */
const shape = z
  .strictObject({
    cpus: z.number().int(),
    memoryMiB: z.number().int(),
    image: z.string(),
    nics: z.array(z.strictObject({ name: z.string(), mac: z.string(), deviceKey: z.string() })),
  })
  .meta({ id: 'MachineSnapshotShape' })
export type MachineShape = z.infer<typeof shape>

export const machineSnapshotSpec = z
  .strictObject({
    virtualMachine: resourceName,
    machineUid: z.string().meta({ description: 'A machine made anew under the name is another.' }),
    host: resourceName.meta({ description: 'The host that has its disks and its memory.' }),
    phase: z.enum(['asked', 'taking', 'taken', 'reverting', 'restoring', 'removing']),
    memory: z.boolean().meta({ description: 'Whether the guest’s memory was asked for.' }),
    freeze: z.enum(freezeWishes),
    task: z.string().optional().meta({ description: 'The task that waits for it.' }),
    untilMs: z.number().int().optional().meta({ description: 'When it is begun or given up.' }),
    takenAtMs: z.number().int().optional(),
    frozen: z.boolean().optional().meta({
      description: 'Whether the guest had written out its file systems.',
    }),
    stoodStillMs: z.number().optional().meta({ description: 'How long the guest stood still.' }),
    memoryBytes: z.number().int().optional().meta({
      description: 'Size of the file that the memory is in; absent: there is none.',
    }),
    power: z.enum(['running', 'paused', 'stopped']).optional().meta({
      description: 'What the machine was doing when it was taken.',
    }),
    withoutMemory: z.boolean().optional().meta({
      description: 'The disks alone are being gone back to.',
    }),
    disks: z.array(part).max(16),
    shape,
  })
  .meta({ id: 'MachineSnapshotSpec' })
export type MachineSnapshotSpec = z.infer<typeof machineSnapshotSpec>

/** Written by the agent alone; `purlin vm snapshot` asks for it. */
export const machineSnapshot = manifestOf('MachineSnapshot', machineSnapshotSpec)
