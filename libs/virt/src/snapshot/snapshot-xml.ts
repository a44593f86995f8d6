import { XMLBuilder } from 'fast-xml-parser'

const builder = new XMLBuilder({ attributeNamePrefix: '@', ignoreAttributes: false })

/** The XML by which libvirt writes the memory of a domain to a file and leaves its disks alone:
 *  each is named, since libvirt takes those that are not for part of the snapshot. Pure.
 *  Source: libvirt, "Snapshot XML format". */
export function memorySnapshotXml(file: string, targets: readonly string[]): string {
  return builder.build({
    domainsnapshot: {
      memory: { '@snapshot': 'external', '@file': file },
      disks: { disk: targets.map((target) => ({ '@name': target, '@snapshot': 'no' })) },
    },
  })
}
