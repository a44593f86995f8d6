import type { Catalogue, StoredRecord } from '@purlin/service'
import { type SnapshotRecord, shapeOf } from './record.ts'

/** In what a machine differs from what it was when the snapshot was taken, as far as its disks go:
 *  a sentence for each; where there is one, the snapshot cannot be gone back to. Pure. */
export function diskDifferences(
  { manifest }: SnapshotRecord,
  machine: StoredRecord<'VirtualMachine'>,
  catalogue: Catalogue,
): readonly string[] {
  const then = manifest.spec.disks
  const now = machine.manifest.spec.disks
  const wrong = then.flatMap((disk, index): string[] => {
    const at = now.findIndex(({ name }) => name === disk.name)
    const found = now[at]
    if (found === undefined) return [`it has no disk ${disk.name} any more`]
    if (found.volume !== disk.volume) {
      return [`its disk ${disk.name} is volume ${found.volume} and was ${disk.volume}`]
    }
    if (catalogue.get('Volume', disk.volume)?.uid !== disk.volumeUid) {
      return [`volume ${disk.volume} of its disk ${disk.name} was made anew since`]
    }
    return at === index ? [] : [`its disk ${disk.name} is number ${at + 1} and was ${index + 1}`]
  })
  const added = now.filter(({ name }) => !then.some((disk) => disk.name === name))
  return [...wrong, ...added.map(({ name }) => `it had no disk ${name} then`)]
}

/** In what a machine differs from what its memory belongs to. Pure. */
export function memoryDifferences(
  { manifest }: SnapshotRecord,
  machine: StoredRecord<'VirtualMachine'>,
  catalogue: Catalogue,
): readonly string[] {
  const then = manifest.spec.shape
  const now = shapeOf(machine, catalogue)
  const numbers = (['cpus', 'memoryMiB', 'image'] as const).flatMap((field) =>
    now[field] === then[field] ? [] : [`its ${field} is ${now[field]} and was ${then[field]}`],
  )
  const nics = then.nics.flatMap((nic): string[] => {
    const found = now.nics.find(({ name }) => name === nic.name)
    if (found === undefined) return [`it has no NIC ${nic.name} any more`]
    const same = found.mac === nic.mac && found.deviceKey === nic.deviceKey
    return same ? [] : [`its NIC ${nic.name} is ${found.mac} and was ${nic.mac}`]
  })
  const added = now.nics.filter(({ name }) => !then.nics.some((nic) => nic.name === name))
  const grown = manifest.spec.disks.flatMap(({ volume, sizeBytes }) => {
    const sizeGiB = catalogue.get('Volume', volume)?.manifest.spec.sizeGiB
    const grew =
      sizeGiB !== undefined && sizeBytes !== undefined && sizeGiB * GIB >= sizeBytes + BLOCK
    return grew ? [`volume ${volume} has grown since`] : []
  })
  return [...numbers, ...nics, ...added.map(({ name }) => `it had no NIC ${name} then`), ...grown]
}

const GIB = 2 ** 30
const BLOCK = 4096
