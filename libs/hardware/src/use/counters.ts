import { numbersOf } from '../inventory/cpu-list.ts'
import { type HostTree, numberAt } from '../inventory/host-tree.ts'

/** The kernel counts times of processors in ticks of this length on every machine Linux runs on
 *  (USER_HZ). */
const TICK_SECONDS = 0.01
/** Sectors of diskstats, whatever the disk's own (kernel documentation, admin-guide/iostats). */
const SECTOR_BYTES = 512
const NODES = '/sys/devices/system/node'

/** Times of a processor in seconds since the host's boot, by the kernel's modes. */
export const cpuModes = [
  'user',
  'nice',
  'system',
  'idle',
  'iowait',
  'irq',
  'softirq',
  'steal',
] as const
export type CpuMode = (typeof cpuModes)[number]

/** What passed through a disk since the host's boot. */
export interface DiskCounters {
  readonly name: string
  readonly reads: number
  readonly writes: number
  readonly readBytes: number
  readonly writtenBytes: number
  readonly busySeconds: number
}

/** What passed through a network device since it was made. */
export interface LinkCounters {
  readonly name: string
  readonly receivedBytes: number
  readonly receivedPackets: number
  readonly receiveErrors: number
  readonly receiveDrops: number
  readonly sentBytes: number
  readonly sentPackets: number
  readonly sendErrors: number
  readonly sendDrops: number
}

/** What the kernel counts of a host. */
export interface HostCounters {
  /** By number of the processor. */
  readonly cpus: ReadonlyMap<number, Readonly<Record<CpuMode, number>>>
  /** Bytes, by the names of meminfo: `MemTotal`. */
  readonly memory: ReadonlyMap<string, number>
  /** Averages of 1, 5 and 15 minutes. */
  readonly load: readonly number[]
  readonly disks: readonly DiskCounters[]
  readonly links: readonly LinkCounters[]
  /** Pressure stall information; what a kernel does not keep is absent. */
  readonly pressure: Readonly<Partial<Record<PressureSource, Pressure>>>
  readonly numa: readonly { readonly node: number; readonly freeMiB: number }[]
}

export const pressureSources = ['cpu', 'memory', 'io'] as const
export type PressureSource = (typeof pressureSources)[number]

export interface Pressure {
  /** Percent of the last ten seconds in which something waited. */
  readonly averageTenSeconds: number
  readonly waitedSeconds: number
}

/** Reads what the kernel counts: eight small files, and one a NUMA node. `names` limits disks and
 *  links to those that are hardware. */
export async function readCounters(
  tree: HostTree,
  names: { readonly disks: ReadonlySet<string>; readonly links: ReadonlySet<string> },
): Promise<HostCounters> {
  const [stat = '', memory = '', load = '', disks = '', links = ''] = await Promise.all(
    ['stat', 'meminfo', 'loadavg', 'diskstats', 'net/dev'].map((file) =>
      tree.text(`/proc/${file}`),
    ),
  )
  const pressures = await Promise.all(
    pressureSources.map(async (source) => {
      const read = readPressure(await tree.text(`/proc/pressure/${source}`))
      return read === undefined ? [] : [[source, read] as const]
    }),
  )
  return {
    cpus: readCpus(stat),
    memory: readMemory(memory),
    load: load.split(' ').slice(0, 3).map(Number),
    disks: readDiskStatistics(disks).filter(({ name }) => names.disks.has(name)),
    links: readLinks(links).filter(({ name }) => names.links.has(name)),
    pressure: Object.fromEntries(pressures.flat()),
    numa: await readFreeMemory(tree),
  }
}

function readCpus(stat: string): HostCounters['cpus'] {
  const cpus = new Map<number, Record<CpuMode, number>>()
  for (const line of stat.split('\n')) {
    const [name = '', ...ticks] = line.split(/\s+/)
    const cpu = /^cpu(\d+)$/.exec(name)?.[1]
    if (cpu === undefined) continue
    const seconds = cpuModes.map((mode, index) => [mode, Number(ticks[index] ?? 0) * TICK_SECONDS])
    cpus.set(Number(cpu), Object.fromEntries(seconds))
  }
  return cpus
}

function readMemory(memory: string): HostCounters['memory'] {
  const figures = [...memory.matchAll(/^([A-Za-z0-9_()]+):\s+(\d+)( kB)?$/gm)]
  return new Map(
    figures.map(([, name = '', figure, unit]) => [name, Number(figure) * (unit ? 1_024 : 1)]),
  )
}

function readDiskStatistics(text: string): readonly DiskCounters[] {
  return text.split('\n').flatMap((line) => {
    const [, , name, ...fields] = line.trim().split(/\s+/)
    if (name === undefined || fields.length < 11) return []
    const [reads = 0, , readSectors = 0, , writes = 0, , writtenSectors = 0, , , busyMs = 0] =
      fields.map(Number)
    return [
      {
        name,
        reads,
        writes,
        readBytes: readSectors * SECTOR_BYTES,
        writtenBytes: writtenSectors * SECTOR_BYTES,
        busySeconds: busyMs / 1_000,
      },
    ]
  })
}

function readLinks(text: string): readonly LinkCounters[] {
  return text.split('\n').flatMap((line) => {
    const [name, figures] = line.split(':')
    if (name === undefined || figures === undefined) return []
    const fields = figures.trim().split(/\s+/).map(Number)
    if (fields.length < 16) return []
    const at = (index: number): number => fields[index] ?? 0
    return [
      {
        name: name.trim(),
        receivedBytes: at(0),
        receivedPackets: at(1),
        receiveErrors: at(2),
        receiveDrops: at(3),
        sentBytes: at(8),
        sentPackets: at(9),
        sendErrors: at(10),
        sendDrops: at(11),
      },
    ]
  })
}

/** Source: kernel documentation, accounting/psi. */
function readPressure(text: string | undefined): Pressure | undefined {
  const some = /^some avg10=([\d.]+) .*total=(\d+)$/m.exec(text ?? '')
  if (some === null) return undefined
  return { averageTenSeconds: Number(some[1]), waitedSeconds: Number(some[2]) / 1_000_000 }
}

async function readFreeMemory(tree: HostTree): Promise<HostCounters['numa']> {
  const nodes = numbersOf(await tree.text(`${NODES}/online`))
  return await Promise.all(
    nodes.map(async (node) => {
      const memory = await tree.text(`${NODES}/node${node}/meminfo`)
      const freeKib = Number(/MemFree:\s+(\d+) kB/.exec(memory ?? '')?.[1] ?? 0)
      return { node, freeMiB: Math.floor(freeKib / 1_024) }
    }),
  )
}

/** Processors of the host, from the same file that the counters come from. */
export async function countProcessors(tree: HostTree): Promise<number> {
  const online = numbersOf(await tree.text('/sys/devices/system/cpu/online')).length
  return online > 0 ? online : ((await numberAt(tree, '/sys/devices/system/cpu/present')) ?? 1)
}
