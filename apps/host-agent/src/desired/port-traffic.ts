import { compileOpenflow, type NetfilterDesired, type OpenflowPlug } from '@purlin/netfilter'
import { devicesOf, type PortPath } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import {
  type Flow,
  type IsolationDesired,
  type MirrorDesired,
  outsideOf,
  type VswitchDesired,
} from '@purlin/vswitch'
import { arrivesAt, type LocalNic } from './local-nics.ts'

/** How a NIC reaches the switch: as it says itself, or else its port group. Pure. */
export function pathOf({ nic }: Pick<LocalNic, 'nic'>, catalogue: Catalogue): PortPath {
  const group = catalogue.get('PortGroup', nic.portGroup)?.manifest.spec
  return nic.port ?? group?.ports ?? 'filterable'
}

/** The mirrors of port groups, as far as their ports are here. Pure. */
export function mirrorsDesired(
  catalogue: Catalogue,
  here: readonly LocalNic[],
): readonly MirrorDesired[] {
  return catalogue.list('PortGroup').flatMap(({ manifest: { name, spec } }) => {
    const own = here.filter(({ nic }) => nic.portGroup === name).map(({ port }) => port.name)
    return (spec.mirrors ?? []).map((mirror) => ({
      name: `${name}.${mirror.name}`,
      switch: spec.switch,
      ports: mirror.ports?.filter((port) => own.includes(port)) ?? own,
      direction: mirror.direction,
      to: mirror.to,
    }))
  })
}

/** Machines of every host that isolated port groups keep apart. Pure. */
export function isolationDesired(
  catalogue: Catalogue,
  every: readonly LocalNic[],
): readonly IsolationDesired[] {
  return catalogue.list('PortGroup').flatMap(({ manifest: { name, spec } }) => {
    const macs = every.filter(({ nic }) => nic.portGroup === name).map(({ port }) => port.spec.mac)
    return spec.isolated === true && macs.length > 0
      ? [{ switch: spec.switch, vlan: spec.vlan, macs }]
      : []
  })
}

/** What the direct ports of this host may send and receive, by switch: their security groups as
 *  flows. Those that come to `host`, and those that have come of late (`arrived`), take TCP
 *  connections up in their middle. The same lists give the same flows, so nothing is compiled
 *  again for a change elsewhere. Pure. */
export function directFlows(
  catalogue: Catalogue,
  here: readonly LocalNic[],
  policy: NetfilterDesired,
  host: string | undefined,
  arrived: ReadonlySet<string>,
): VswitchDesired['directFlows'] {
  const plugs = new Map<string, Map<string, OpenflowPlug>>()
  for (const local of here) {
    const group = catalogue.get('PortGroup', local.nic.portGroup)?.manifest.spec
    if (group === undefined || pathOf(local, catalogue) !== 'direct') continue
    const own = plugs.get(group.switch) ?? new Map()
    const { tap } = devicesOf(local.port.spec.deviceKey)
    const takesUp = arrivesAt(local.port, host) || arrived.has(local.port.name)
    const plug = { port: tap, vlan: group.vlan, ...(takesUp && { takesUp }) }
    plugs.set(group.switch, own.set(local.port.name, plug))
  }
  if (plugs.size === 0) return undefined
  return Object.fromEntries(
    [...plugs].map(([name, own]): [string, readonly Flow[]] => {
      const outside = [{ port: outsideOf(name) }]
      return [name, compileOpenflow(policy, { plugs: own, outside }).flows]
    }),
  )
}
