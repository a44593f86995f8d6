import type { HardwareDisk, HardwareNic, HardwarePci } from '@purlin/schema'
import type { DeviceNames } from './device-names.ts'
import { present } from './disks.ts'
import { type HostTree, nameAt, numberAt, wordOf } from './host-tree.ts'
import { obstacleOf } from './obstacle.ts'
import { nodeOf, PCI_DEVICES, pciAddressIn } from './pci-address.ts'

export interface PciGrounds {
  readonly names: DeviceNames
  readonly disks: readonly HardwareDisk[]
  readonly nics: readonly HardwareNic[]
  /** Who has which device, by its address: machines. */
  readonly claims: ReadonlyMap<string, readonly string[]>
}

/** The PCI devices in order of their addresses: drivers, IOMMU groups, SR-IOV, who has them, and
 *  why one cannot be handed to a machine. */
export async function readPci(tree: HostTree, grounds: PciGrounds): Promise<HardwarePci[]> {
  const addresses = await tree.list(PCI_DEVICES)
  const devices = await Promise.all(addresses.map((address) => readDevice(tree, address, grounds)))
  const identities = devices.map(({ vendorId, deviceId }) => `${vendorId}:${deviceId}`)
  const names = await grounds.names.of(identities)
  const named = devices.map((device, index): HardwarePci => {
    const { vendor, model } = names.get(identities[index] ?? '') ?? {}
    const description = wordOf([vendor, model].filter((name) => name !== undefined).join(' '))
    return { ...device, ...present({ description }) }
  })
  return named.map((device) => ({ ...device, ...present({ obstacle: obstacleOf(device, named) }) }))
}

async function readDevice(
  tree: HostTree,
  address: string,
  { disks, nics, claims }: PciGrounds,
): Promise<HardwarePci> {
  const folder = `${PCI_DEVICES}/${address}`
  const digits = async (file: string, length: number): Promise<string> =>
    ((await tree.text(`${folder}/${file}`)) ?? '0x').slice(2).padStart(length, '0')
  const [kind, vendorId, deviceId] = await Promise.all([
    digits('class', 6),
    digits('vendor', 4),
    digits('device', 4),
  ])
  const [driver, group, numaNode, most, made, physicalPlace] = await Promise.all([
    nameAt(tree, `${folder}/driver`),
    nameAt(tree, `${folder}/iommu_group`),
    nodeOf(tree, address),
    numberAt(tree, `${folder}/sriov_totalvfs`),
    numberAt(tree, `${folder}/sriov_numvfs`),
    tree.resolve(`${folder}/physfn`),
  ])
  const users = [
    ...(claims.get(address) ?? []),
    ...usersOver('on', disks, address),
    ...usersOver('over', nics, address),
  ]
  const physicalFunction = physicalPlace === undefined ? undefined : pciAddressIn(physicalPlace)
  const iommuGroup = group === undefined || !/^\d+$/.test(group) ? undefined : Number(group)
  return {
    address,
    class: kind,
    vendorId,
    deviceId,
    ...present({ driver: wordOf(driver), numaNode, iommuGroup, physicalFunction }),
    ...(most !== undefined && most > 0 && { virtualFunctions: { count: made ?? 0, most } }),
    users,
  }
}

/** Who has a device by what hangs on it: `file system / on sda`. Pure. */
function usersOver(
  word: 'on' | 'over',
  parts: readonly (HardwareDisk | HardwareNic)[],
  address: string,
): readonly string[] {
  return parts
    .filter(({ pciAddress }) => pciAddress === address)
    .flatMap(({ name, users }) => users.map((user) => `${user} ${word} ${name}`))
}

/** The display controllers among PCI devices. Pure. */
export function gpusOf(
  devices: readonly HardwarePci[],
  names: ReadonlyMap<string, { vendor: string | undefined; model: string | undefined }>,
) {
  return devices
    .filter((device) => device.class.startsWith('03'))
    .map(({ address, vendorId, deviceId, numaNode, driver, users }) => {
      const { vendor, model } = names.get(`${vendorId}:${deviceId}`) ?? {}
      return {
        pciAddress: address,
        vendor: wordOf(vendor) ?? vendorId,
        model: wordOf(model) ?? deviceId,
        ...present({ numaNode, driver }),
        users: [...users],
      }
    })
}
