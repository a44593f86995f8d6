import type { ReportedDisk } from '@purlin/schema'

/** Best first: a WWN is the disk’s own; a serial number is unique only beside its model. */
const PREFERENCE = [/^wwn-/, /^nvme-(eui|uuid)\./, /^nvme-/, /^scsi-/, /^ata-/, /^virtio-/]

/** The disk’s name under /dev/disk/by-id, which stays when the kernel’s name changes: of those that
 *  were reported the best, else the one that udev’s rules (60-persistent-storage.rules) make of its
 *  WWN or serial number. Undefined where a disk tells nothing of itself. Pure. */
export function stableNameOf(disk: ReportedDisk): string | undefined {
  for (const pattern of PREFERENCE) {
    const found = disk.links.filter((link) => pattern.test(link)).toSorted()[0]
    if (found !== undefined) return found
  }
  const { wwn = '', serial = '', transport } = disk
  if (/^0x[0-9a-f]{16,32}$/.test(wwn)) return `wwn-${wwn}`
  if (/^(eui|uuid)\.[0-9a-f-]{16,36}$/.test(wwn)) return `nvme-${wwn}`
  if (transport === 'virtio' && /^[A-Za-z0-9._-]{1,20}$/.test(serial)) return `virtio-${serial}`
  return undefined
}

/** A WWN as people and programs write it in different ways, for comparison. */
export function plainWwn(wwn: string): string {
  return wwn
    .trim()
    .toLowerCase()
    .replace(/^(0x|naa\.|eui\.|uuid\.|wwn-)+/, '')
}
