import { type DistributedSwitchSpec, type PortGroupSpec, switchOnHost } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import type { OverlayDesired, Station, SwitchDesired } from '@purlin/vswitch'
import type { LocalNic } from './local-nics.ts'

/** UDP ports that tunnels have by their standards (RFC 7348, RFC 8926). */
const tunnelPorts = { vxlan: 4789, geneve: 6081 } as const
/** Key of the network without a VLAN: the one VLAN number that no network can have. */
const UNTAGGED_KEY = 4095

/** The switches as they should be on a host; without a name, on a host that is alone. `nics` are
 *  those of every host: tunnels go by where machines are. Pure. */
export function switchesDesired(
  catalogue: Catalogue,
  nics: readonly LocalNic[],
  host: string | undefined,
): readonly SwitchDesired[] {
  return catalogue.list('DistributedSwitch').map(({ manifest: { name, spec } }) => {
    const { uplinks, bonds, underlay } = switchOnHost(spec, host ?? '')
    const overlay =
      spec.transport === 'vlan' || underlay === undefined
        ? undefined
        : overlayDesired(spec, spec.transport, underlay, host ?? '', {
            groups: catalogue
              .list('PortGroup')
              .map(({ manifest }) => manifest)
              .filter((group) => group.spec.switch === name),
            nics,
          })
    return {
      name,
      mtu: spec.mtu,
      uplinks,
      ...(bonds.length > 0 && { bonds }),
      ...(overlay !== undefined && { overlay }),
      ...(spec.flowExport !== undefined && { flowExport: spec.flowExport }),
      ...(spec.confirmSeconds > 0 && { confirmSeconds: spec.confirmSeconds }),
    }
  })
}

function overlayDesired(
  spec: DistributedSwitchSpec,
  type: 'vxlan' | 'geneve',
  underlay: string,
  host: string,
  { groups, nics }: OverlayGrounds,
): OverlayDesired {
  const peers = spec.hosts.flatMap((one) =>
    one.host === host || one.underlay === undefined
      ? []
      : [{ host: one.host, address: one.underlay.slice(0, one.underlay.indexOf('/')) }],
  )
  const keys = new Map<number, number>()
  for (const { spec: group } of groups) {
    for (const vlan of [group.vlan, ...(group.trunk ?? [])]) {
      const made = vlan === 0 ? UNTAGGED_KEY : vlan
      const key = vlan === group.vlan ? (group.tunnelKey ?? made) : made
      if (!keys.has(vlan) || group.tunnelKey !== undefined) keys.set(vlan, key)
    }
  }
  const vlanOf = new Map(groups.map((group) => [group.name, group.spec.vlan]))
  const stations = nics.flatMap(({ machine, nic, port }): Station[] => {
    const vlan = vlanOf.get(nic.portGroup)
    const elsewhere = machine.spec.host !== undefined && machine.spec.host !== host
    if (vlan === undefined || !elsewhere || machine.spec.host === undefined) return []
    return [{ mac: port.spec.mac, vlan, host: machine.spec.host }]
  })
  return {
    type,
    udpPort: spec.tunnelPort ?? tunnelPorts[type],
    underlay,
    peers,
    networks: [...keys].map(([vlan, key]) => ({ vlan, key })),
    stations,
  }
}

interface OverlayGrounds {
  readonly groups: readonly { readonly name: string; readonly spec: PortGroupSpec }[]
  readonly nics: readonly LocalNic[]
}
