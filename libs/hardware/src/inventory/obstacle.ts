import type { HardwarePci } from '@purlin/schema'

/** The driver that hands devices to machines (kernel documentation, driver-api/vfio). */
const HANDED_OVER = 'vfio-pci'

/** Why a device cannot be handed to a machine, as half a sentence; undefined: it can. A device goes
 *  only alone in its IOMMU group, bridges of the group aside: what shares a group can write into
 *  the memory of the others. Pure.
 *  Source: kernel documentation, driver-api/vfio, groups, devices and IOMMUs. */
export function obstacleOf(
  device: HardwarePci,
  devices: readonly HardwarePci[],
): string | undefined {
  if (isBridge(device)) return 'it is a bridge of the host'
  const [user, ...others] = device.users
  if (user !== undefined) {
    return `${user}${others.length > 0 ? ` and ${others.length} more` : ''} has it`
  }
  const { virtualFunctions, iommuGroup } = device
  if (virtualFunctions !== undefined && virtualFunctions.count > 0) {
    return `it has made ${virtualFunctions.count} virtual functions, which would go with it`
  }
  if (iommuGroup === undefined) return 'no IOMMU keeps it apart from the host’s memory'
  const sharing = devices.filter(
    (other) =>
      other.iommuGroup === iommuGroup && other.address !== device.address && !isBridge(other),
  )
  if (sharing.length === 0) return undefined
  const named = sharing.map(({ address, driver, users }) => {
    const what = users[0] ?? (driver === HANDED_OVER ? undefined : driver)
    return what === undefined ? address : `${address} (${what})`
  })
  return `its IOMMU group ${iommuGroup} has ${named.join(', ')} as well`
}

function isBridge(device: HardwarePci): boolean {
  return device.class.startsWith('06')
}
