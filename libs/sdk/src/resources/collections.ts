import { type HostKind, hostKinds, type Kind, kinds } from '@purlin/schema'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf, type ReadCollection } from './collection.ts'
import { type MachineSnapshots, machineSnapshotsOf } from './machine-snapshots.ts'
import { type SecurityGroups, securityGroupsOf } from './security-groups.ts'
import { type StoragePools, storagePoolsOf } from './storage-pools.ts'
import { type VirtualMachines, virtualMachinesOf } from './virtual-machines.ts'
import { type Snapshots, snapshotsOf, type Volumes, volumesOf } from './volumes.ts'

type CamelCase<Text extends string> = Text extends `${infer Head}-${infer Rest}`
  ? `${Head}${Capitalize<CamelCase<Rest>>}`
  : Text

/** What the client offers for a kind: observed kinds can only be read. */
export type CollectionOf<K extends Kind> = K extends 'SecurityGroup'
  ? SecurityGroups
  : K extends 'VirtualMachine'
    ? VirtualMachines
    : K extends 'Volume'
      ? Volumes
      : K extends 'Snapshot'
        ? Snapshots
        : K extends 'StoragePool'
          ? StoragePools
          : K extends 'MachineSnapshot'
            ? MachineSnapshots
            : (typeof kinds)[K] extends { observed: true }
              ? ReadCollection<K>
              : Collection<K>

/** One collection for each kind of the host agent, by its plural: `securityGroups`, `ports`. */
export type Collections = {
  readonly [K in HostKind as CamelCase<(typeof kinds)[K]['plural']>]: CollectionOf<K>
}

/** The collections behind `transport`. */
export function collectionsOf(transport: Transport): Collections {
  const entries = hostKinds.map((kind) => [camelCase(kinds[kind].plural), pick(transport, kind)])
  return Object.fromEntries(entries) as Collections
}

/** The collection of a kind known only at run time. */
export function pick<K extends Kind>(transport: Transport, kind: K): CollectionOf<K> {
  return ofKind(transport, kind) as CollectionOf<K>
}

function ofKind(transport: Transport, kind: Kind): CollectionOf<Kind> {
  if (kind === 'SecurityGroup') return securityGroupsOf(transport)
  if (kind === 'VirtualMachine') return virtualMachinesOf(transport)
  if (kind === 'Volume') return volumesOf(transport)
  if (kind === 'Snapshot') return snapshotsOf(transport)
  if (kind === 'StoragePool') return storagePoolsOf(transport)
  if (kind === 'MachineSnapshot') return machineSnapshotsOf(transport)
  const { get, list, put, delete: remove } = collectionOf(transport, kind)
  return (
    'observed' in kinds[kind] ? { get, list } : { get, list, put, delete: remove }
  ) as CollectionOf<Kind>
}

function camelCase(text: string): string {
  return text.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase())
}
