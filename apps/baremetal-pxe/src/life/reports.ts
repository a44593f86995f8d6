import type { DiscoveryReport, ReportChanges, ReportSummary } from '@purlin/schema'

type Change = ReportChanges['changes'][number]

/** Changes beyond these are counted, not told. */
const CHANGES_MAX = 512

/** What differs between two reports of one chassis. Parts are matched by what they are: disks by
 *  WWN or serial number, NICs by MAC, modules by slot, GPUs and PCI functions by address; neither
 *  their order nor the kernel's names are differences. Pure. */
export function compareReports(before: DiscoveryReport, after: DiscoveryReport): readonly Change[] {
  const changes = [
    ...compareFields('system', before.system, after.system),
    ...compareFields('firmware', before.firmware, after.firmware),
    ...compareFields('bmc', before.bmc ?? {}, after.bmc ?? {}),
    ...compareParts('processor', numbered(before.cpu.sockets), numbered(after.cpu.sockets)),
    ...compareFields(
      'memory',
      { sizeMiB: before.memory.sizeMiB },
      { sizeMiB: after.memory.sizeMiB },
    ),
    ...compareParts(
      'memory module',
      before.memory.modules.map((module) => [module.slot, module]),
      after.memory.modules.map((module) => [module.slot, module]),
    ),
    ...compareParts('disk', before.disks.map(namedDisk), after.disks.map(namedDisk)),
    ...compareParts('NIC', before.nics.map(namedNic), after.nics.map(namedNic)),
    ...compareParts(
      'GPU',
      before.gpus.map((gpu) => [gpu.pciAddress, gpu]),
      after.gpus.map((gpu) => [gpu.pciAddress, gpu]),
    ),
    ...compareParts(
      'PCI function',
      before.pci.map((one) => [one.address, one]),
      after.pci.map((one) => [one.address, one]),
    ),
  ]
  return changes.slice(0, CHANGES_MAX)
}

/** What a report says, in a line. Pure. */
export function summaryOf(id: number, atMs: number, report: DiscoveryReport): ReportSummary {
  const { manufacturer, product, serial, uuid } = report.system
  return {
    id,
    atMs,
    ...(manufacturer !== undefined && { manufacturer }),
    ...(product !== undefined && { product }),
    ...(serial !== undefined && { serial }),
    ...(uuid !== undefined && { uuid }),
    cpuThreads: report.cpu.sockets.reduce((sum, { threads }) => sum + threads, 0),
    memoryMiB: report.memory.sizeMiB,
    disks: report.disks.length,
    diskBytes: report.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    nics: report.nics.length,
    gpus: report.gpus.length,
  }
}

/** A change as a sentence's part: `disk S3X1 removed`, `NIC 52:54:00:…: link true to false`. */
export function changeWords({ change, part, field, before, after }: Change): string {
  if (field === undefined) return `${part} ${change}`
  return `${part}: ${field} ${JSON.stringify(before) ?? 'none'} to ${JSON.stringify(after) ?? 'none'}`
}

type Named = readonly [name: string, fields: object]

/** The kernel's name and the links that udev makes of it change by boot. */
function namedDisk(disk: DiscoveryReport['disks'][number]): Named {
  const { name, links: _links, ...fields } = disk
  return [disk.wwn ?? disk.serial ?? name, fields]
}

function namedNic({ mac, name: _name, ...fields }: DiscoveryReport['nics'][number]): Named {
  return [mac, fields]
}

function numbered(parts: readonly object[]): readonly Named[] {
  return parts.map((part, index) => [String(index), part])
}

function compareParts(
  kind: string,
  before: readonly Named[],
  after: readonly Named[],
): readonly Change[] {
  const former = new Map(before)
  const now = new Map(after)
  const removed = [...former.keys()].filter((name) => !now.has(name))
  return [
    ...removed.map((name): Change => ({ change: 'removed', part: `${kind} ${name}` })),
    ...[...now].flatMap(([name, fields]): readonly Change[] => {
      const known = former.get(name)
      if (known === undefined) return [{ change: 'added', part: `${kind} ${name}` }]
      return compareFields(`${kind} ${name}`, known, fields)
    }),
  ]
}

function compareFields(part: string, before: object, after: object): readonly Change[] {
  const former = new Map<string, unknown>(Object.entries(before))
  const now = new Map<string, unknown>(Object.entries(after))
  return [...new Set([...former.keys(), ...now.keys()])].flatMap((field): readonly Change[] => {
    const one = former.get(field)
    const other = now.get(field)
    if (written(one) === written(other)) return []
    return [
      {
        change: 'changed',
        part,
        field,
        ...(one !== undefined && { before: one }),
        ...(other !== undefined && { after: other }),
      },
    ]
  })
}

/** A value as text, whatever the order of its fields. */
function written(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}
