import { gatewayMac, type Manifest, serviceDevice } from '@purlin/schema'
import type { OpenflowSwitch, OutsidePort } from '../openflow/index.ts'
import type { NetfilterDesired } from '../policy/desired.ts'

/** Where the NICs of a manifest would be plugged if each tap were a port of its switch itself: by
 *  the switch's name, ports by the names of their devices. Pure. */
export function openflowSwitchesOf(
  manifests: readonly Manifest[],
  desired: NetfilterDesired,
): ReadonlyMap<string, OpenflowSwitch> {
  const groups = manifests.filter((one) => one.kind === 'PortGroup')
  const machines = manifests.filter((one) => one.kind === 'VirtualMachine')
  const portGroupOf = new Map<string, string>(
    machines.flatMap(({ name, spec }) =>
      spec.nics.map((nic) => [`${name}.${nic.name}`, nic.portGroup] as const),
    ),
  )
  return new Map(
    manifests
      .filter((one) => one.kind === 'DistributedSwitch')
      .map(({ name, spec }): readonly [string, OpenflowSwitch] => {
        const own = groups.filter((group) => group.spec.switch === name)
        const vlans = new Map(own.map((group) => [group.name, group.spec.vlan]))
        const plugs = desired.nics.flatMap(({ port, tap }) => {
          const vlan = vlans.get(portGroupOf.get(port) ?? '')
          return vlan === undefined ? [] : [[port, { port: tap, vlan }] as const]
        })
        const services = own.map(
          (group): OutsidePort => ({
            port: serviceDevice(group.name),
            vlan: group.spec.vlan,
            macs: [gatewayMac(group.name)],
          }),
        )
        const uplinks = spec.uplinks.map((port): OutsidePort => ({ port }))
        return [name, { plugs: new Map(plugs), outside: [...uplinks, ...services] }]
      }),
  )
}
