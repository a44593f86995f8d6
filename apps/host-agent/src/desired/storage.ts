import { resolve } from 'node:path'
import type { SpecOf } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { NO_STORAGE, type StorageDesired, type VolumeLimits } from '@purlin/storage'
import type { Configuration } from '../config/config.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20
const BLOCK_BYTES = 4096

/** What the block daemon of this host should serve: nothing where the host is not configured for
 *  storage. Relative paths of disks are those below the configured folder. Pure. */
export function storageDesired(
  catalogue: Catalogue,
  configuration: Configuration['storage'],
): StorageDesired {
  if (configuration === undefined) return NO_STORAGE
  const { folder } = configuration
  const pools = catalogue
    .list('StoragePool')
    .filter(({ manifest }) => manifest.spec.engine === 'local')
    .map(({ manifest: { name, spec } }) => {
      const disks = spec.disks.map((disk) => ({ ...disk, path: resolve(folder, disk.path) }))
      const whole = (cache: NonNullable<typeof spec.cache>) => ({
        ...cache,
        devices: cache.devices.map((ssd) => ({ ...ssd, path: resolve(folder, ssd.path) })),
      })
      return { name, spec: { ...spec, disks, ...(spec.cache && { cache: whole(spec.cache) }) } }
    })
  const local = new Set(pools.map(({ name }) => name))
  const attached = new Set(
    catalogue
      .list('VirtualMachine')
      .flatMap(({ manifest }) => manifest.spec.disks)
      // By vhost-user a guest is told of another size at once.
      .filter(({ attach }) => attach === 'nbd')
      .map(({ volume }) => volume),
  )
  const volumes = catalogue
    .list('Volume')
    .filter(({ manifest }) => local.has(manifest.spec.pool))
    .map(({ manifest: { name, spec } }) => ({
      name,
      pool: spec.pool,
      attached: attached.has(name),
      ...(spec.sizeGiB !== undefined && { sizeBytes: bytesOfVolume(spec.sizeGiB) }),
      ...(spec.source !== undefined && {
        source: { snapshot: spec.source.snapshot, linked: spec.source.clone === 'linked' },
      }),
      limits: limitsOf(spec.qos),
    }))
  const here = new Set(volumes.map(({ name }) => name))
  const ofMachines = catalogue
    .list('MachineSnapshot')
    // What is asked for is made by whoever takes it, of all disks at one instant.
    .filter(({ manifest }) => manifest.spec.phase !== 'removing')
    .flatMap(({ manifest }) => manifest.spec.disks)
    .filter(({ volume }) => here.has(volume))
    .map(({ snapshot, volume }) => ({ name: snapshot, volume, kept: true as const }))
  return {
    topologies:
      pools.length === 0
        ? []
        : catalogue.list('Topology').map(({ manifest: { name, spec } }) => ({ name, spec })),
    pools,
    volumes,
    snapshots: [
      ...catalogue
        .list('Snapshot')
        .filter(({ manifest }) => here.has(manifest.spec.volume))
        .map(({ manifest: { name, spec } }) => ({ name, volume: spec.volume })),
      ...ofMachines,
    ],
  }
}

/** The size of a volume as the block daemon takes it: whole blocks. Pure. */
export function bytesOfVolume(sizeGiB: number): number {
  return Math.ceil((sizeGiB * GIB) / BLOCK_BYTES) * BLOCK_BYTES
}

/** What a volume may use, as the block daemon takes it. Pure. */
export function limitsOf(qos: SpecOf<'Volume'>['qos'] = {}): VolumeLimits {
  const { iops, iopsBurst, readMiBps, writeMiBps, burstSeconds } = qos
  const rate = (mib: number): number => Math.max(1, Math.ceil(mib * MIB))
  return {
    ...(iops !== undefined && { iops }),
    ...(iopsBurst !== undefined && { iopsBurst }),
    ...(readMiBps !== undefined && { readBytesPerSecond: rate(readMiBps) }),
    ...(writeMiBps !== undefined && { writeBytesPerSecond: rate(writeMiBps) }),
    ...(burstSeconds !== undefined && { burstSeconds: Math.max(1, Math.ceil(burstSeconds)) }),
  }
}
