import type { Manifest, PortSpec, TrashedMachine } from '@purlin/schema'
import type { AdmittedChange, Catalogue, ResourceRecord, StoredRecord } from '@purlin/service'
import type { Store, Write } from '@purlin/store'

/** A machine that was deleted, with all that its identity was beside its spec. */
export interface TrashEntry {
  readonly machine: ResourceRecord<'VirtualMachine'>
  readonly ports: readonly Manifest<'Port'>[]
  /** Its volumes as they were: one made anew under the name is another. */
  readonly volumes: readonly { readonly name: string; readonly uid: string }[]
  readonly deletedAtMs: number
  readonly keptUntilMs: number
}

const PREFIX = '/trash/'
/** The oldest beyond these are forgotten. */
const ENTRIES_MAX = 1_000

export function trashKey(uid: string): string {
  return `${PREFIX}${uid}`
}

/** A change in which each machine that goes is laid into the trash, in the same transaction. With
 *  `keptMs` 0 nothing is kept. Pure. */
export function withTrash(
  change: AdmittedChange,
  catalogue: Catalogue,
  { nowMs, keptMs }: { readonly nowMs: number; readonly keptMs: number },
): AdmittedChange {
  if (keptMs === 0) return change
  const writes = change.changes.flatMap(({ action, before }): Write[] => {
    if (action !== 'delete' || before?.manifest.kind !== 'VirtualMachine') return []
    const machine = before as StoredRecord<'VirtualMachine'>
    return [{ put: trashKey(machine.uid), value: entryOf(machine, catalogue, nowMs, keptMs) }]
  })
  return { ...change, writes: [...change.writes, ...writes] }
}

function entryOf(
  { manifest, uid, generation, createdAtMs }: StoredRecord<'VirtualMachine'>,
  catalogue: Catalogue,
  nowMs: number,
  keptMs: number,
): TrashEntry {
  const { name, spec } = manifest
  const ports = catalogue
    .list('Port')
    .filter((port) => port.manifest.spec.virtualMachine === name)
    .map((port) => port.manifest)
  return {
    machine: { manifest, uid, generation, createdAtMs },
    ports,
    volumes: spec.disks.map(({ volume }) => ({
      name: volume,
      uid: catalogue.get('Volume', volume)?.uid ?? '',
    })),
    deletedAtMs: nowMs,
    keptUntilMs: nowMs + keptMs,
  }
}

/** What is in the trash, the last one first; a machine that is there again is not. */
export async function trashEntries(
  store: Pick<Store, 'list'>,
  catalogue: Catalogue,
): Promise<readonly TrashEntry[]> {
  const alive = new Set(catalogue.list('VirtualMachine').map(({ uid }) => uid))
  const { entries } = await store.list(PREFIX)
  return entries
    .map(({ value }) => value as TrashEntry)
    .filter(({ machine }) => !alive.has(machine.uid))
    .toSorted((a, b) => b.deletedAtMs - a.deletedAtMs)
}

/** Forgets what is kept no longer, and what there is too much of. */
export async function trimTrash(store: Store, nowMs: number): Promise<void> {
  const { entries } = await store.list(PREFIX)
  const newestFirst = entries.toSorted(
    (a, b) => (b.value as TrashEntry).deletedAtMs - (a.value as TrashEntry).deletedAtMs,
  )
  const over = newestFirst.filter(
    ({ value }, index) => index >= ENTRIES_MAX || (value as TrashEntry).keptUntilMs <= nowMs,
  )
  if (over.length === 0) return
  await store.transact({ writes: over.map(({ key }) => ({ delete: key })) })
}

/** As the API tells of it. Pure. */
export function trashedMachineOf(entry: TrashEntry): TrashedMachine {
  const { manifest, uid } = entry.machine
  return {
    uid,
    name: manifest.name,
    ...(manifest.spec.host !== undefined && { host: manifest.spec.host }),
    deletedAtMs: entry.deletedAtMs,
    keptUntilMs: entry.keptUntilMs,
    disks: entry.volumes.map(({ name }) => name),
    addresses: entry.ports.flatMap(({ spec }: { spec: PortSpec }) => [...spec.ipv4, ...spec.ipv6]),
  }
}
