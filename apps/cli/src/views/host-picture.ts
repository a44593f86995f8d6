import type {
  HardwareDisk,
  HardwareNic,
  HardwarePci,
  HostHardware,
  HostPool,
  Resource,
} from '@purlin/schema'
import { sizeText } from '../output/byte-progress.ts'
import { oneLine } from '../output/table.ts'
import { coloured } from '../output/tone.ts'
import { readyCell } from '../output/words.ts'
import { barCell, partOf } from './bar.ts'
import { amountText, poolIn } from './host-table.ts'
import { rateText } from './topology.ts'

const BAR_CELLS = 20

/** A host as it is: what is used and promised of it, then its NUMA nodes with what hangs on each,
 *  then its PCI devices by IOMMU group. Pure. */
export function hostPicture(
  host: Resource<'Host'>,
  hardware: HostHardware | undefined,
  colours: boolean,
): string {
  const pool = poolIn(host)
  const lines = [
    ...heading(host, hardware, colours),
    ...(pool === undefined ? [] : poolLines(pool, colours)),
    ...(hardware === undefined ? [] : ['', ...nodeLines(hardware, pool, colours)]),
    ...(hardware === undefined ? [] : ['', ...groupLines(hardware.pci, colours)]),
  ]
  return `${lines.join('\n')}\n`
}

function heading(
  host: Resource<'Host'>,
  hardware: HostHardware | undefined,
  colours: boolean,
): string[] {
  const ready = readyCell(host)
  const text = typeof ready === 'string' ? ready : coloured(ready.text, ready.tone, colours)
  const { addresses, version } = host.spec
  const { cpu } = hardware ?? {}
  return [
    `${host.name}  ready: ${text}  ${addresses.join(', ')}  agent ${version}`,
    ...(cpu === undefined
      ? []
      : [
          `${oneLine(cpu.model)}, ${cpu.architecture}: ${cpu.sockets} sockets, ${cpu.cores} cores, ${cpu.threads} threads`,
        ]),
  ]
}

function poolLines(pool: HostPool, colours: boolean): string[] {
  const { use } = pool
  const figures = (['cpus', 'memoryMiB'] as const).map((figure) => {
    const { total, used, reserved, limit, overcommitted } = pool[figure]
    const name = (figure === 'cpus' ? 'processors' : 'memory').padEnd(10)
    const bar = barCell(partOf(used ?? 0, total), BAR_CELLS)
    const measured = `${coloured(bar.text, bar.tone, colours)} of ${amountText(total, figure)} used`
    const more =
      overcommitted > 0
        ? `, ${coloured(`${amountText(overcommitted, figure)} overcommitted`, 'careful', colours)}`
        : ''
    return `${name}  ${used === undefined ? `${amountText(total, figure)}, not measured` : measured}; promised ${amountText(reserved, figure)} of ${amountText(limit, figure)}${more}`
  })
  const counted = `machines    ${pool.activeMachines} of ${pool.machines} should be active`
  if (use === undefined) return [...figures, counted]
  const pressure = [
    ['processors', use.cpuPressure],
    ['memory', use.memoryPressure],
    ['I/O', use.ioPressure],
  ].flatMap(([what, percent]) => (percent === undefined ? [] : [`${what} ${percent} %`]))
  return [
    ...figures,
    `disks       ${bytesRate(use.diskReadBytesPerSecond)} read, ${bytesRate(use.diskWriteBytesPerSecond)} written`,
    `network     ${rateText(use.netReceivedBitsPerSecond)} received, ${rateText(use.netSentBitsPerSecond)} sent`,
    `load        ${use.load.toFixed(2)}${pressure.length === 0 ? '' : `; waiting for ${pressure.join(', ')}`}`,
    counted,
  ]
}

/** What passes in a second: `1.5 MiB/s`. Pure. */
export function bytesRate(bytesPerSecond: number): string {
  return `${sizeText(bytesPerSecond)}/s`
}

interface Part {
  readonly numaNode?: number | undefined
  readonly text: string
}

function nodeLines(
  hardware: HostHardware,
  pool: HostPool | undefined,
  colours: boolean,
): readonly string[] {
  const parts: readonly Part[] = [
    ...hardware.disks.map((disk) => ({ numaNode: disk.numaNode, text: diskText(disk) })),
    ...hardware.nics.map((nic) => ({ numaNode: nic.numaNode, text: nicText(nic, colours) })),
    ...hardware.gpus.map(({ numaNode, pciAddress, vendor, model, users }) => {
      return {
        numaNode,
        text: `GPU ${pciAddress}  ${oneLine(`${vendor} ${model}`)}${usersText(users)}`,
      }
    }),
  ]
  const free = new Map(pool?.use?.numa.map(({ node, freeMiB }) => [node, freeMiB]))
  const nodes = hardware.numa.map(({ node, cpus, memoryMiB, hugePages, distances }) => {
    const freeMiB = free.get(node)
    const bar =
      freeMiB === undefined ? undefined : barCell(1 - partOf(freeMiB, memoryMiB), BAR_CELLS)
    const taken = bar === undefined ? '' : ` ${coloured(bar.text, bar.tone, colours)} taken`
    const pages = hugePages
      .filter(({ count }) => count > 0)
      .map(({ sizeKiB, count }) => `, ${count} huge pages of ${sizeText(sizeKiB * 1_024)}`)
      .join('')
    const far = distances.length > 1 ? `, distances ${distances.join(' ')}` : ''
    return {
      node,
      head: `NUMA node ${node}: processors ${cpus}, memory ${amountText(memoryMiB, 'memoryMiB')}${taken}${pages}${far}`,
    }
  })
  const known = new Set(nodes.map(({ node }) => node))
  const elsewhere = parts.filter(({ numaNode }) => numaNode === undefined || !known.has(numaNode))
  return [
    ...nodes.flatMap(({ node, head }) => [
      head,
      ...branches(parts.filter(({ numaNode }) => numaNode === node).map(({ text }) => text)),
    ]),
    ...(elsewhere.length === 0
      ? []
      : ['on no node that the firmware names', ...branches(elsewhere.map(({ text }) => text))]),
  ]
}

function diskText(disk: HardwareDisk): string {
  const words = [disk.vendor, disk.model, disk.serial].filter((word) => word !== undefined)
  const named = words.length === 0 ? '' : `  ${oneLine(words.join(' '))}`
  return `disk ${disk.name}  ${sizeText(disk.sizeBytes)} ${disk.transport} ${disk.media}${named}${usersText(disk.users)}`
}

function nicText(nic: HardwareNic, colours: boolean): string {
  const speed = nic.speedMbps === undefined ? '' : ` ${rateText(nic.speedMbps * 1_000_000)}`
  const link = coloured(nic.link ? 'up' : 'down', nic.link ? 'good' : 'careful', colours)
  return `NIC ${nic.name}  ${nic.mac} ${link}${speed}  ${nic.driver ?? 'no driver'}${usersText(nic.users)}`
}

function usersText(users: readonly string[]): string {
  return users.length === 0 ? '' : `  <- ${oneLine(users.join(', '))}`
}

/** The devices that could go to a machine, by the group in which they go; bridges say nothing. */
function groupLines(devices: readonly HardwarePci[], colours: boolean): readonly string[] {
  const groups = new Map<number | undefined, HardwarePci[]>()
  for (const device of devices.filter((one) => !one.class.startsWith('06'))) {
    const group = groups.get(device.iommuGroup) ?? []
    groups.set(device.iommuGroup, [...group, device])
  }
  const inOrder = [...groups].toSorted(([one], [other]) => (one ?? -1) - (other ?? -1))
  return inOrder.flatMap(([group, members]) => [
    group === undefined ? 'PCI devices without an IOMMU' : `IOMMU group ${group}`,
    ...branches(members.map((device) => pciText(device, colours))),
  ])
}

function pciText(device: HardwarePci, colours: boolean): string {
  const { address, vendorId, deviceId, description, driver, virtualFunctions } = device
  const name = oneLine(description ?? `${vendorId}:${deviceId}`)
  const functions =
    virtualFunctions === undefined
      ? ''
      : `  ${virtualFunctions.count} of ${virtualFunctions.most} virtual functions`
  const of =
    device.physicalFunction === undefined ? '' : `  virtual function of ${device.physicalFunction}`
  const fit =
    device.obstacle === undefined
      ? coloured('can go to a machine', 'good', colours)
      : coloured(`stays: ${oneLine(device.obstacle)}`, 'quiet', colours)
  return `${address}  ${name}  ${driver ?? 'no driver'}${functions}${of}  ${fit}`
}

function branches(texts: readonly string[]): readonly string[] {
  return texts.map((text, index) => `${index === texts.length - 1 ? '└─ ' : '├─ '}${text}`)
}
