import { join } from 'node:path'
import { newIdentifier, shortHash } from '@purlin/base'
import { type MachineSnapshotSpec, machineSnapshotPhases } from '@purlin/schema'
import { type Catalogue, resourceKey, type StoredRecord } from '@purlin/service'
import type { Write } from '@purlin/store'

export type SnapshotRecord = StoredRecord<'MachineSnapshot'>
type PhaseEvent = (typeof machineSnapshotPhases)['events'][number]
type Phase = MachineSnapshotSpec['phase']

/** What is asked for. */
export interface SnapshotWish {
  readonly name: string
  readonly memory: boolean
  readonly freeze: MachineSnapshotSpec['freeze']
  readonly task: string
  readonly untilMs: number
}

/** The write of a snapshot that is asked for, with all that there is to know beforehand. Pure. */
export function askedWrite(
  machine: StoredRecord<'VirtualMachine'>,
  catalogue: Catalogue,
  { name, ...wish }: SnapshotWish,
  { host, nowMs }: { readonly host: string; readonly nowMs: number },
): Write {
  const { spec, name: virtualMachine } = machine.manifest
  const uid = newIdentifier(nowMs)
  const value: Omit<SnapshotRecord, 'revision'> = {
    manifest: {
      kind: 'MachineSnapshot',
      name,
      spec: {
        ...wish,
        virtualMachine,
        machineUid: machine.uid,
        host: spec.host ?? host,
        phase: 'asked',
        disks: spec.disks.map((disk) => ({
          name: disk.name,
          volume: disk.volume,
          volumeUid: catalogue.get('Volume', disk.volume)?.uid ?? '',
          snapshot: `ms-${shortHash(`${uid} ${disk.name}`, 16)}`,
        })),
        shape: shapeOf(machine, catalogue),
      },
    },
    ...{ uid, generation: 1, createdAtMs: nowMs },
  }
  return { put: resourceKey('MachineSnapshot', name), value }
}

/** What a machine's memory can only be taken up by again. Pure. */
export function shapeOf(
  { manifest: { name, spec } }: StoredRecord<'VirtualMachine'>,
  catalogue: Catalogue,
): MachineSnapshotSpec['shape'] {
  const { cpus, memoryMiB, image } = spec
  return {
    ...{ cpus, memoryMiB, image },
    nics: spec.nics.map((nic) => {
      const port = catalogue.get('Port', `${name}.${nic.name}`)?.manifest.spec
      return { name: nic.name, mac: port?.mac ?? '', deviceKey: port?.deviceKey ?? '' }
    }),
  }
}

/** The write by which a snapshot goes on, or by which it is gone. Pure.
 *  Errors: PUR_STATE_ILLEGAL where that is not possible in its phase. */
export function goneOn(
  { manifest, uid, generation, createdAtMs }: SnapshotRecord,
  event: PhaseEvent,
  found: Partial<MachineSnapshotSpec> = {},
): Write {
  const key = resourceKey('MachineSnapshot', manifest.name)
  const phase = machineSnapshotPhases.next(manifest.spec.phase, event)
  if (phase === 'gone') return { delete: key }
  const {
    task: _task,
    untilMs: _untilMs,
    withoutMemory: _withoutMemory,
    ...lasting
  } = manifest.spec
  const kept = phase === 'taken' ? lasting : manifest.spec
  const spec = { ...kept, phase: phase as Phase, ...found }
  return {
    put: key,
    value: { manifest: { ...manifest, spec }, uid, generation: generation + 1, createdAtMs },
  }
}

/** The file that a snapshot's memory is in. */
export function memoryFileOf(
  folder: string,
  { manifest, uid }: Pick<SnapshotRecord, 'manifest' | 'uid'>,
): string {
  return join(folder, `${manifest.spec.virtualMachine}.${uid}${MEMORY_FILE}`)
}

/** Ends the name of such a file. */
export const MEMORY_FILE = '.memory'

/** What becomes of a machine's power while it is made what it was: nobody starts it until its disks
 *  are, and then it stands still with its memory until that is noted. Pure. */
export function whileReverting(
  catalogue: Catalogue,
  machine: Pick<StoredRecord, 'uid'>,
  memoryFolder = '',
): { readonly powerState?: 'stopped' | 'paused'; readonly memoryFile?: string } {
  const record = revertOf(catalogue, machine)
  if (record === undefined) return {}
  const { phase, withoutMemory } = record.manifest.spec
  if (phase === 'reverting' || withoutMemory === true) return { powerState: 'stopped' }
  return { powerState: 'paused', memoryFile: memoryFileOf(memoryFolder, record) }
}

/** The snapshot that a machine is being made again, where there is one. Pure. */
export function revertOf(
  catalogue: Catalogue,
  machine: Pick<StoredRecord, 'uid'>,
): SnapshotRecord | undefined {
  return catalogue.list('MachineSnapshot').find(({ manifest: { spec } }) => {
    const reverts = spec.phase === 'reverting' || spec.phase === 'restoring'
    return reverts && spec.machineUid === machine.uid
  })
}
