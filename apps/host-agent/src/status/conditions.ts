import type { Condition, ResourceStatus } from '@purlin/schema'
import { ConditionTimes, type StoredRecord } from '@purlin/service'
import type { HostView } from './host-view.ts'
import { poolConditions } from './pool-conditions.ts'
import { readinessOf } from './readiness.ts'
import { isStorage, storageFields } from './storage-finding.ts'

/** Remembers since when each resource's readiness has been what it is. */
export class ConditionHistory {
  readonly #times = new ConditionTimes()

  /** The resource's status at `nowMs`, with the kind's own observed fields. */
  statusOf(record: StoredRecord, view: HostView, nowMs: number): ResourceStatus {
    const readiness = readinessOf(record, view)
    const seen = readiness.reason === 'Pending' ? record.generation - 1 : record.generation
    return {
      observedGeneration: seen,
      conditions: [
        this.#times.condition(record.uid, { type: 'Ready', ...readiness }, nowMs),
        ...furtherConditions(record, view, nowMs).map((each) =>
          this.#times.condition(record.uid, each, nowMs),
        ),
      ],
      ...observedFields(record, view),
    }
  }
}

function furtherConditions(
  { manifest }: StoredRecord,
  view: HostView,
  nowMs: number,
): readonly Omit<Condition, 'sinceMs'>[] {
  if (manifest.kind === 'VirtualMachine') return view.machines.get(manifest.name)?.conditions ?? []
  if (manifest.kind !== 'StoragePool') return []
  return poolConditions(manifest.spec, view.storage?.pools.get(manifest.name), nowMs)
}

function observedFields(record: StoredRecord, view: HostView): Record<string, unknown> {
  if (record.manifest.kind === 'DistributedSwitch') {
    return { ...view.switches?.get(record.manifest.name) }
  }
  if (isStorage(record.manifest.kind)) return storageFields(record.manifest, view.storage)
  if (record.manifest.kind !== 'VirtualMachine') return {}
  const { manifest } = record as StoredRecord<'VirtualMachine'>
  const seen = view.machines.get(manifest.name)
  return {
    powerState: seen?.state ?? 'absent',
    pendingRestart: seen?.pendingRestart ?? false,
    ...(seen?.live && { live: seen.live }),
    nics: manifest.spec.nics.map(({ name }) => ({
      name,
      ...view.nics?.get(`${manifest.name}.${name}`),
    })),
  }
}
