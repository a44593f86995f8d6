import { type Clock, toPurlinError } from '@purlin/base'
import type { PortMove } from '@purlin/schema'
import {
  type Catalogue,
  type CatalogueFollower,
  RESOURCE_HEAD,
  resourceKey,
  type StoredRecord,
} from '@purlin/service'
import type { Guard, Store, Write } from '@purlin/store'

/** What records of moves are written with. */
export interface RecordGrounds {
  readonly store: Store
  readonly catalogue: CatalogueFollower
  readonly clock: Clock
  readonly host: string
}

/** The ports of a machine, which move together, in the order of their names. Pure. */
export function portsOfMachine(
  catalogue: Catalogue,
  machine: string,
): readonly StoredRecord<'Port'>[] {
  return catalogue
    .list('Port')
    .filter(({ manifest }) => manifest.spec.virtualMachine === machine)
    .toSorted((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1))
}

/** Writes that give the ports this move, or take it away. Pure. */
export function moveWrites(
  ports: readonly StoredRecord<'Port'>[],
  move: PortMove | undefined,
): readonly Write[] {
  return ports.map(({ manifest, uid, generation, createdAtMs }) => {
    const { move: _former, ...spec } = manifest.spec
    const moved = { ...manifest, spec: { ...spec, ...(move && { move }) } }
    const value = { manifest: moved, uid, generation, createdAtMs }
    return { put: resourceKey('Port', manifest.name), value }
  })
}

/** The write by which a machine is on another host. Pure. */
export function placeWrite(machine: StoredRecord<'VirtualMachine'>, host: string): Write {
  const { manifest, uid, generation, createdAtMs } = machine
  const placed = { ...manifest, spec: { ...manifest.spec, host } }
  const value = { manifest: placed, uid, generation: generation + 1, createdAtMs }
  return { put: resourceKey('VirtualMachine', manifest.name), value }
}

/** Writes resources as they follow from this very catalogue, where the further guards hold. Answers
 *  false where a resource was changed since. Errors: PUR_STORE_*. */
export async function writeOnto(
  { store, catalogue, host }: RecordGrounds,
  from: Catalogue,
  writes: readonly Write[],
  guards: readonly Guard[] = [],
): Promise<boolean> {
  try {
    const { revision } = await store.transact({
      guards: [{ key: RESOURCE_HEAD, revision: from.headRevision }, ...guards],
      writes: [...writes, { put: RESOURCE_HEAD, value: { host } }],
    })
    await catalogue.reached(revision)
    return true
  } catch (thrown) {
    const { code, context } = toPurlinError(thrown)
    if (code === 'PUR_STORE_CONFLICT' && context.key === RESOURCE_HEAD) return false
    throw thrown
  }
}
