import { type HardwareNic, macAddress } from '@purlin/schema'
import { present } from './disks.ts'
import { type HostTree, nameAt, numberAt, wordOf } from './host-tree.ts'
import { nodeOf, pciAddressIn } from './pci-address.ts'

const LINKS = '/sys/class/net'
const ETHERNET = 1

/** The network devices that are hardware, virtual functions included. `claims` has who else uses
 *  which, by its name. */
export async function readNics(
  tree: HostTree,
  claims: ReadonlyMap<string, readonly string[]>,
): Promise<HardwareNic[]> {
  const [names, routed] = await Promise.all([tree.list(LINKS), readDefaultRoutes(tree)])
  const nics = await Promise.all(
    names.map(async (name): Promise<HardwareNic[]> => {
      const folder = `${LINKS}/${name}`
      const place = await tree.resolve(`${folder}/device`)
      if (place === undefined) return []
      const [mac, type, carrier, speed, mtu, driver, master] = await Promise.all([
        tree.text(`${folder}/address`),
        numberAt(tree, `${folder}/type`),
        tree.text(`${folder}/carrier`),
        numberAt(tree, `${folder}/speed`),
        numberAt(tree, `${folder}/mtu`),
        nameAt(tree, `${folder}/device/driver`),
        nameAt(tree, `${folder}/master`),
      ])
      const checked = macAddress.safeParse(mac)
      if (type !== ETHERNET || !checked.success) return []
      const pciAddress = pciAddressIn(place)
      const numaNode = await nodeOf(tree, pciAddress)
      const users = [
        ...(routed.has(name) ? ['the default route'] : []),
        ...(master === undefined ? [] : [`link ${master}`]),
        ...(claims.get(name) ?? []),
      ]
      const known = { driver: wordOf(driver), pciAddress, speedMbps: speed, numaNode }
      const link = carrier === '1'
      return [{ name, mac: checked.data, link, mtu: mtu ?? 0, ...present(known), users }]
    }),
  )
  return nics.flat()
}

/** The devices over which either family's default route leads. */
async function readDefaultRoutes(tree: HostTree): Promise<ReadonlySet<string>> {
  const lines = async (path: string) =>
    ((await tree.text(path)) ?? '').split('\n').map((line) => line.trim().split(/\s+/))
  const ipv4 = (await lines('/proc/net/route')).flatMap(
    ([name = '', destination, , , , , , mask]) =>
      destination === '00000000' && mask === '00000000' ? [name] : [],
  )
  const ipv6 = (await lines('/proc/net/ipv6_route')).flatMap(([destination = '', bits, ...rest]) =>
    /^0{32}$/.test(destination) && bits === '00' ? [rest.at(-1) ?? ''] : [],
  )
  return new Set([...ipv4, ...ipv6])
}
