import type { HardwareDisk } from '@purlin/schema'
import { diskUsers, type Mounts } from './disk-users.ts'
import { type HostTree, numberAt, wordOf } from './host-tree.ts'
import { nodeOf, pciAddressIn } from './pci-address.ts'

const BLOCK = '/sys/block'
const SECTOR_BYTES = 512

/** The disks that are devices of the host: no loop, RAID, mapper or compressed memory. */
export async function readDisks(tree: HostTree, mounts: Mounts): Promise<HardwareDisk[]> {
  const names = await tree.list(BLOCK)
  const disks = await Promise.all(names.map((name) => readDisk(tree, name, mounts)))
  return disks.filter((disk) => disk !== undefined)
}

async function readDisk(
  tree: HostTree,
  name: string,
  mounts: Mounts,
): Promise<HardwareDisk | undefined> {
  const folder = `${BLOCK}/${name}`
  const text = (file: string) => tree.text(`${folder}/${file}`)
  const place = await tree.resolve(`${folder}/device`)
  // A path of a disk that has several (nvme0c0n1) is hidden, and the disk itself is listed.
  if (place === undefined || (await text('hidden')) === '1') return undefined
  const sectors = (await numberAt(tree, `${folder}/size`)) ?? 0
  // A reader without a card.
  if (sectors === 0) return undefined
  const [serial, ownSerial, wwid, ownWwid, vendor, model] = await Promise.all(
    ['serial', 'device/serial', 'wwid', 'device/wwid', 'device/vendor', 'device/model'].map(text),
  )
  const [rotational, removable, readOnly, blockBytes] = await Promise.all(
    ['queue/rotational', 'removable', 'ro', 'queue/logical_block_size'].map(text),
  )
  const pciAddress = pciAddressIn(place)
  const numaNode = await nodeOf(tree, pciAddress)
  const words = {
    serial: wordOf(serial ?? ownSerial),
    wwn: wordOf(wwid ?? ownWwid),
    // A virtio disk has its PCI vendor here.
    vendor: vendor?.startsWith('0x') ? undefined : wordOf(vendor),
    model: wordOf(model),
  }
  return {
    name,
    ...present(words),
    sizeBytes: sectors * SECTOR_BYTES,
    logicalBlockBytes: blockBytes === '4096' ? 4_096 : 512,
    media: rotational === '1' ? 'hdd' : 'ssd',
    transport: transportOf(name, place),
    removable: removable === '1',
    readOnly: readOnly === '1',
    ...present({ pciAddress, numaNode }),
    users: [...(await diskUsers(tree, name, mounts))],
  }
}

/** By where the device hangs in the tree of devices. Pure. */
function transportOf(name: string, place: string): HardwareDisk['transport'] {
  if (name.startsWith('nvme')) return 'nvme'
  if (place.includes('/virtio')) return 'virtio'
  if (/\/usb\d/.test(place)) return 'usb'
  if (/\/ata\d/.test(place)) return 'sata'
  if (/\/(end_device|expander|port)-\d/.test(place)) return 'sas'
  return 'other'
}

/** The fields that are known. Pure. */
export function present<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }
}
