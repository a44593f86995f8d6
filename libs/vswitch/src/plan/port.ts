import type { PortDevices } from '@purlin/schema'
import type { PortDesired } from '../desired.ts'
import { cableBridge, type Link, sameBridge } from '../links/link.ts'
import { aliasOf, PORT_MARK } from '../mark.ts'
import type { SwitchPortObserved, VswitchObserved } from '../observed.ts'

/** What of a port does not stand as it should, in words; empty: all is well. Pure. */
export function portDifferences(port: PortDesired, observed: VswitchObserved): readonly string[] {
  return [
    ...cableDifferences(port.devices, observed, port.mtu),
    ...ownerDifferences(port.devices, port.port, observed),
    ...switchPortDifferences(
      port.devices.outer,
      {
        bridge: port.switch,
        tag: port.vlan,
        trunks: port.trunk,
        externalIds: { [PORT_MARK]: port.port },
        interfaceIds: { 'iface-id': port.port, 'attached-mac': port.mac },
      },
      observed,
    ),
  ]
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

export interface SwitchPortWanted {
  readonly bridge: string
  /** Access VLAN; undefined: a trunk of every VLAN. */
  readonly tag: number | undefined
  /** VLANs that an access port carries tagged beside its own. */
  readonly trunks: readonly number[]
  readonly externalIds: Readonly<Record<string, string>>
  readonly interfaceIds: Readonly<Record<string, string>>
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
    ...(opened(found) ? [] : [`${name} is not open: ${found.error ?? 'no port number'}`]),
  ]
}

/** Whether ovs-vswitchd has the device of the port open. */
export function opened(port: SwitchPortObserved): boolean {
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
