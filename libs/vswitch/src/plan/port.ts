import type { PortDevices } from '@purlin/schema'
import type { PortDesired } from '../desired.ts'
import { cableBridge, type Link, sameBridge } from '../links/link.ts'
import { aliasOf, PORT_MARK } from '../mark.ts'
import { partBridge } from '../names.ts'
import type { SwitchPortObserved, VswitchObserved } from '../observed.ts'
import { limitWanted, sameLimit } from './limit.ts'
import type { SwitchPortWanted } from './wanted.ts'

/** What of a port does not stand as it should, in words; empty: all is well. Pure. */
export function portDifferences(port: PortDesired, observed: VswitchObserved): readonly string[] {
  if (port.path === 'direct') {
    return switchPortDifferences(port.devices.tap, portWanted(port), observed)
  }
  return [
    ...cableDifferences(port.devices, observed, port.mtu),
    ...ownerDifferences(port.devices, port.port, observed),
    ...switchPortDifferences(port.devices.outer, portWanted(port), observed),
  ]
}

/** The switch port of a NIC: the end of its cable on the switch, or, of a direct port, its tap on
 *  the bridge of direct ports, where flows alone know VLANs. Pure. */
export function portWanted(port: PortDesired): SwitchPortWanted {
  const own = {
    externalIds: { [PORT_MARK]: port.port },
    interfaceIds: { 'iface-id': port.port, 'attached-mac': port.mac },
    ...(port.qos?.inbound !== undefined && { limit: limitWanted(port.qos.inbound) }),
  }
  if (port.path === 'direct') {
    const bridge = partBridge('direct', port.switch)
    return { ...own, bridge, tag: undefined, trunks: [], mayWait: 'always' }
  }
  return {
    ...own,
    bridge: port.switch,
    tag: port.vlan,
    trunks: port.trunk,
    isProtected: port.isolated === true,
  }
}

/** What is wrong with the bridge and the cable of a port. The tap belongs to libvirt; it is
 *  looked at only once it is up, when libvirt has put it into the bridge, so that the two never
 *  race for it. */
export function cableDifferences(
  devices: PortDevices,
  observed: VswitchObserved,
  mtu?: number,
): readonly string[] {
  const link = (name: string): Link | undefined => observed.links.get(name)
  const found: string[] = []
  for (const name of [devices.bridge, devices.inner, devices.outer]) {
    const device = link(name)
    if (device === undefined) found.push(`${name} is missing`)
    else if (!device.up) found.push(`${name} is down`)
    else if (mtu !== undefined && device.mtu !== mtu) {
      found.push(`${name} has MTU ${device.mtu}, not ${mtu}`)
    }
  }
  const bridge = link(devices.bridge)
  if (bridge !== undefined && !sameBridge(bridge.bridge, cableBridge)) {
    found.push(`${devices.bridge} has other bridge settings`)
  }
  if (link(devices.inner)?.master !== devices.bridge) {
    found.push(`${devices.inner} is not in ${devices.bridge}`)
  }
  const tap = link(devices.tap)
  if (tap?.up === true && tap.master !== devices.bridge) {
    found.push(`${devices.tap} is not in ${devices.bridge}`)
  }
  if (!observed.filterable) found.push('the kernel has no br_netfilter')
  return found
}

/** What is wrong with a port in the database. */
export function switchPortDifferences(
  name: string,
  wanted: SwitchPortWanted,
  observed: VswitchObserved,
): readonly string[] {
  const found = observed.switchPorts.get(name)
  if (found === undefined) return [`${name} is not in the switch`]
  return [
    ...(found.bridge === wanted.bridge ? [] : [`${name} is in ${found.bridge}`]),
    ...(sameVlan(found, wanted) ? [] : [`${name} has VLAN ${found.tag ?? 'none'}`]),
    ...(holdsKeys(found.externalIds, wanted.externalIds) ? [] : [`${name} has other marks`]),
    ...(holdsKeys(found.interfaceIds, wanted.interfaceIds) ? [] : [`${name} has another identity`]),
    ...(sameInterfaces(name, found, wanted) ? [] : [`${name} has other interfaces`]),
    ...(sameBond(found, wanted) ? [] : [`${name} is bonded otherwise`]),
    ...(found.isProtected === (wanted.isProtected ?? false)
      ? []
      : [`${name} is ${found.isProtected ? '' : 'not '}isolated`]),
    ...(sameLimit(found.limit, wanted.limit) ? [] : [`${name} is limited otherwise`]),
    ...(opened(found) || wanted.mayWait === 'always'
      ? []
      : [`${name} is not open: ${found.error ?? 'no port number'}`]),
  ]
}

function sameInterfaces(
  name: string,
  found: SwitchPortObserved,
  wanted: SwitchPortWanted,
): boolean {
  const interfaces = wanted.interfaces ?? [{ name, type: '', options: {} }]
  return (
    found.interfaces.length === interfaces.length &&
    interfaces.every((one) => {
      const standing = found.interfaces.find((row) => row.name === one.name)
      if (standing === undefined) return false
      const sameType = (standing.type === 'system' ? '' : standing.type) === one.type
      return sameType && holdsKeys(standing.options, one.options)
    })
  )
}

function sameBond(found: SwitchPortObserved, { bond }: SwitchPortWanted): boolean {
  if (bond === undefined) return (found.lacp ?? 'off') === 'off'
  return found.bondMode === bond.mode && (found.lacp ?? 'off') === bond.lacp
}

/** Whether ovs-vswitchd has the device of the port open; of a bond, one of its members. */
export function opened(port: SwitchPortObserved): boolean {
  if (port.interfaces.length > 1) {
    return port.interfaces.some(({ ofport }) => ofport !== undefined && ofport > 0)
  }
  return port.error === undefined && port.ofport !== undefined && port.ofport > 0
}

function ownerDifferences(
  devices: PortDevices,
  port: string,
  observed: VswitchObserved,
): readonly string[] {
  return [devices.bridge, devices.inner, devices.outer].flatMap((name) => {
    const device = observed.links.get(name)
    return device !== undefined && device.alias !== aliasOf(PORT_MARK, port)
      ? [`${name} does not say that it is of ${port}`]
      : []
  })
}

/** An access port names its mode even for VLAN 0: without a tag a port is a trunk, and a machine
 *  on it could send into every VLAN. */
function sameVlan(found: SwitchPortObserved, { tag, trunks }: SwitchPortWanted): boolean {
  const sameTrunks =
    found.trunks.length === trunks.length && found.trunks.every((vlan) => trunks.includes(vlan))
  if (tag === undefined) return found.tag === undefined && sameTrunks
  return found.tag === tag && found.vlanMode === vlanMode(trunks) && sameTrunks
}

/** How a port with a VLAN of its own treats tagged frames. */
export function vlanMode(trunks: readonly number[]): 'access' | 'native-untagged' {
  return trunks.length === 0 ? 'access' : 'native-untagged'
}

function holdsKeys(
  found: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, text]) => found[key] === text)
}
