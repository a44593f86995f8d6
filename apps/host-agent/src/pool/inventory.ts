import type { Clock } from '@purlin/base'
import { HardwareReader, type HostTree } from '@purlin/hardware'
import type { HostHardware, InventoryCounts } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { hostDevicesOf, type LibvirtPort } from '@purlin/virt'
import { switchesDesired } from '../desired/switches.ts'
import type { HardwareNames } from './measure.ts'

const DOMAINS_DEADLINE_MS = 5_000

export interface InventoryOptions {
  readonly clock: Clock
  readonly tree: HostTree
  readonly host: string
  /** As the kernel names it. */
  readonly architecture: string
  readonly libvirt: Pick<LibvirtPort, 'listDomains'>
  readonly catalogue: () => Catalogue
  /** Where relative paths of pools' disks begin; absent: this host serves none. */
  readonly storageFolder?: string | undefined
  /** Name of this host in a fleet; absent: it is alone. */
  readonly fleetHost?: string | undefined
}

/** What this host is made of, and who has what of it. */
export class Inventory {
  readonly #options: InventoryOptions
  readonly #reader: HardwareReader
  #last: HostHardware | undefined

  constructor(options: InventoryOptions) {
    this.#options = options
    this.#reader = new HardwareReader(options.tree, options.architecture)
  }

  /** What was read last; undefined before the first time. */
  get last(): HostHardware | undefined {
    return this.#last
  }

  /** Names of its disks and network devices, for the meter. */
  names(): HardwareNames {
    return {
      disks: new Set(this.#last?.disks.map(({ name }) => name)),
      links: new Set(this.#last?.nics.map(({ name }) => name)),
    }
  }

  /** Reads everything anew. Where libvirt does not answer, the machines that have devices are not
   *  known. */
  async read(signal: AbortSignal): Promise<HostHardware> {
    const { clock, host, libvirt } = this.#options
    const call = { deadlineMs: DOMAINS_DEADLINE_MS, signal }
    const domains = await libvirt.listDomains(call).catch(() => [])
    const pci = new Map<string, string[]>()
    for (const { name, id, xml, inactiveXml } of domains) {
      const given = new Set([...hostDevicesOf(xml), ...hostDevicesOf(inactiveXml ?? '')])
      const user = `machine ${name}${id === undefined ? ', which is off,' : ''}`
      for (const address of given) pci.set(address, [...(pci.get(address) ?? []), user])
    }
    const claims = { pci, nics: this.#uplinks(), disks: await this.#poolDisks() }
    const reading = await this.#reader.read(claims)
    this.#last = { host, readAtMs: Math.round(clock.nowMs()), ...reading }
    return this.#last
  }

  #uplinks(): ReadonlyMap<string, readonly string[]> {
    const { catalogue, fleetHost } = this.#options
    const users = new Map<string, string[]>()
    for (const { name, uplinks, bonds = [] } of switchesDesired(catalogue(), [], fleetHost)) {
      const members = bonds.flatMap((bond) => (uplinks.includes(bond.name) ? bond.members : []))
      for (const link of [...uplinks, ...members]) {
        users.set(link, [...(users.get(link) ?? []), `uplink of switch ${name}`])
      }
    }
    return users
  }

  async #poolDisks(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { catalogue, tree, storageFolder } = this.#options
    const users = new Map<string, string[]>()
    if (storageFolder === undefined) return users
    for (const { manifest } of catalogue().list('StoragePool')) {
      for (const { path } of manifest.spec.disks) {
        const whole = path.startsWith('/') ? path : `${storageFolder}/${path}`
        const found = await tree.resolve(whole)
        if (found !== undefined) users.set(found, [`storage pool ${manifest.name}`])
      }
    }
    return users
  }
}

/** How many devices a host has. Pure. */
export function countsOf(hardware: HostHardware): InventoryCounts {
  return {
    numaNodes: hardware.numa.length,
    disks: hardware.disks.length,
    diskBytes: hardware.disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    nics: hardware.nics.length,
    gpus: hardware.gpus.length,
  }
}

/** The sum over hosts. Pure. */
export function sumOfCounts(all: readonly InventoryCounts[]): InventoryCounts {
  const sum = (name: keyof InventoryCounts): number =>
    all.reduce((total, one) => total + one[name], 0)
  return {
    numaNodes: sum('numaNodes'),
    disks: sum('disks'),
    diskBytes: sum('diskBytes'),
    nics: sum('nics'),
    gpus: sum('gpus'),
  }
}
