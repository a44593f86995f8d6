import type { HostHardware } from '@purlin/schema'
import { DeviceNames } from './device-names.ts'
import { readMounts } from './disk-users.ts'
import { readDisks } from './disks.ts'
import type { HostTree } from './host-tree.ts'
import { readNics } from './nics.ts'
import { gpusOf, readPci } from './pci.ts'
import { readNodes, readProcessors } from './processors.ts'

const KIB_A_MIB = 1_024

/** Who uses what of a host, as far as files do not tell it. */
export interface HardwareClaims {
  /** By PCI address. */
  readonly pci: ReadonlyMap<string, readonly string[]>
  /** By name of the network device. */
  readonly nics: ReadonlyMap<string, readonly string[]>
  /** By path of the block device or its partition: `/dev/sdb1`. */
  readonly disks: ReadonlyMap<string, readonly string[]>
}

const NO_CLAIMS: HardwareClaims = { pci: new Map(), nics: new Map(), disks: new Map() }

/** What is read of a host, without its name and the time. */
export type HardwareReading = Omit<HostHardware, 'host' | 'readAtMs'>

/** Reads what a host is made of; keeps what never changes between readings. */
export class HardwareReader {
  readonly #tree: HostTree
  readonly #architecture: string
  readonly #names: DeviceNames

  /** `architecture` as the kernel names it: x86_64. */
  constructor(tree: HostTree, architecture: string) {
    this.#tree = tree
    this.#architecture = architecture
    this.#names = new DeviceNames(tree)
  }

  /** A look at everything. What cannot be read is absent; nothing is thrown. */
  async read(claims: HardwareClaims = NO_CLAIMS): Promise<HardwareReading> {
    const tree = this.#tree
    const [cpu, numa, memory, mounts, nics] = await Promise.all([
      readProcessors(tree, this.#architecture),
      readNodes(tree),
      tree.text('/proc/meminfo'),
      readMounts(tree, claims.disks),
      readNics(tree, claims.nics),
    ])
    const disks = await readDisks(tree, mounts)
    const names = this.#names
    const pci = await readPci(tree, { names, disks, nics, claims: claims.pci })
    const gpus = gpusOf(pci, await names.of([]))
    const totalKib = Number(/^MemTotal:\s+(\d+) kB$/m.exec(memory ?? '')?.[1] ?? 0)
    return { cpu, memoryMiB: Math.floor(totalKib / KIB_A_MIB), numa, disks, nics, gpus, pci }
  }
}
