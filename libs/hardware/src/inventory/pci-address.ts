import { type HostTree, numberAt } from './host-tree.ts'

/** Where PCI devices stand by their addresses. */
export const PCI_DEVICES = '/sys/bus/pci/devices'

/** The PCI device that a device hangs on: the last address in its path. Pure. */
export function pciAddressIn(path: string): string | undefined {
  const addresses = path.match(/(?<=\/)[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](?=\/|$)/g)
  return addresses?.at(-1)
}

/** The NUMA node of a PCI device; undefined where the firmware does not say. */
export async function nodeOf(
  tree: HostTree,
  address: string | undefined,
): Promise<number | undefined> {
  if (address === undefined) return undefined
  return await numberAt(tree, `${PCI_DEVICES}/${address}/numa_node`)
}
