import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Manifest, SpecOf } from '@purlin/schema'
import type { Cli } from './cli.ts'
import { CommandFailure, exitCodes } from './exit-codes.ts'
import { readOfflineManifest } from './offline-manifest.ts'

// The library is loaded on demand, its types too.
type PlacementTopology = import('@purlin/block-native').PlacementTopology
type PoolPlacement = import('@purlin/block-native').PoolPlacement

const GIB = 2 ** 30

/** A disk of a pool as its manifest has it. */
export interface NamedDisk {
  readonly name: string
  readonly server: string
  readonly capacityBytes: number
  readonly media: 'hdd' | 'ssd' | 'nvme' | undefined
}

/** A pool of the local engine and where its disks stand. */
export interface NamedPool {
  readonly name: string
  readonly topology: PlacementTopology
  readonly redundancy: PoolPlacement['redundancy']
  readonly faultDomain: PoolPlacement['faultDomain']
  readonly expand: 'newGroup' | 'rebalance'
  readonly disks: readonly NamedDisk[]
}

/** The pool `wanted` of a manifest, or the only one it has. No agent is asked.
 *  Errors: ManifestRefused, CommandFailure. */
export async function readPool(cli: Cli, file: string, wanted?: string): Promise<NamedPool> {
  const manifests = await readOfflineManifest(cli, file)
  const isPool = (each: Manifest) => each.kind === 'StoragePool' && each.spec.engine === 'local'
  const pools = manifests.filter(isPool) as readonly Manifest<'StoragePool'>[]
  const names = pools.map(({ name }) => name).join(', ') || 'none'
  const pool = pools.find(({ name }) => name === (wanted ?? pools[0]?.name))
  if (pool === undefined) {
    const lacks = wanted === undefined ? 'has no pool' : `has no pool ${wanted}`
    throw new CommandFailure(`${file} ${lacks} of the local engine; it has: ${names}`)
  }
  if (wanted === undefined && pools.length > 1) {
    throw new CommandFailure(`${file} has several pools: name one of ${names}`, exitCodes.usage)
  }
  const topologies = manifests.filter(({ kind }) => kind === 'Topology')
  const [topology] = topologies as readonly Manifest<'Topology'>[]
  return {
    name: pool.name,
    topology: topology?.spec ?? { roots: [] },
    redundancy: pool.spec.redundancy,
    faultDomain: pool.spec.faultDomain,
    expand: pool.spec.expand ?? 'rebalance',
    disks: await Array.fromAsync(pool.spec.disks, (disk) => namedDisk(disk, file)),
  }
}

async function namedDisk(
  disk: SpecOf<'StoragePool'>['disks'][number],
  file: string,
): Promise<NamedDisk> {
  const { name, server, media } = disk
  if (disk.sizeGiB !== undefined) {
    return { name, server, media, capacityBytes: disk.sizeGiB * GIB }
  }
  const path = resolve(dirname(file), disk.path)
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.size === 0) {
    const message = `disk ${name}: its size is not known, since ${path} is no file with bytes; give sizeGiB`
    throw new CommandFailure(message)
  }
  return { name, server, media, capacityBytes: found.size }
}

/** The numbers of the disks of all pools by name: the same name is the same disk. Pure. */
export function numberDisks(...pools: readonly NamedPool[]): ReadonlyMap<string, number> {
  const names = new Set(pools.flatMap(({ disks }) => disks.map(({ name }) => name)))
  return new Map([...names].map((name, index) => [name, index]))
}

/** The pool as placement takes it. Pure. */
export function placementOf(pool: NamedPool, numbers: ReadonlyMap<string, number>): PoolPlacement {
  const { topology, redundancy, faultDomain } = pool
  const disks = pool.disks.map(({ name, media = 'ssd', ...disk }) => ({
    ...disk,
    media,
    id: numbers.get(name) ?? 0,
  }))
  return { topology, redundancy, faultDomain, disks }
}

/** How a thing of each level that `disk` is in is called. Pure. */
export function placeNames(
  pool: NamedPool,
  disk: NamedDisk,
): Readonly<Record<PoolPlacement['faultDomain'], string>> {
  for (const { datacenter, rooms } of pool.topology.roots) {
    for (const { room, racks } of rooms) {
      const rack = racks.find(({ servers }) => servers.includes(disk.server))
      if (rack === undefined) continue
      const [inRoom, inRack] = [`${datacenter}/${room}`, `${datacenter}/${room}/${rack.rack}`]
      return { disk: disk.name, server: disk.server, rack: inRack, room: inRoom }
    }
  }
  return { disk: disk.name, server: disk.server, rack: '-', room: '-' }
}
