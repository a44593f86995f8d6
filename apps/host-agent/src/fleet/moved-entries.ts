import { RESOURCE_PREFIX, type ResourceRecord } from '@purlin/service'
import type { StoreEntry } from '@purlin/store'

const MACHINES = `${RESOURCE_PREFIX}VirtualMachine/`

/** The entries of a host that was alone, for a store that several share: its machines say that they
 *  are there. Pure. */
export function movedEntries(entries: readonly StoreEntry[], host: string): readonly StoreEntry[] {
  return entries.map((entry) => {
    if (!entry.key.startsWith(MACHINES)) return entry
    const record = entry.value as ResourceRecord<'VirtualMachine'>
    const { manifest } = record
    if (manifest.spec.host !== undefined) return entry
    const value = { ...record, manifest: { ...manifest, spec: { ...manifest.spec, host } } }
    return { ...entry, value }
  })
}
