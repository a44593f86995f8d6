import { type Fact, fact, type LaneStep } from '@purlin/base'
import { devicesOf } from '@purlin/schema'
import type { SwitchDesired, VswitchDesired } from '../desired.ts'
import { nameOfAlias, PORT_GROUP_MARK, PORT_MARK, SWITCH_MARK } from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import { type ServiceSettings, serviceOf } from '../services/service.ts'
import { portDifferences } from './port.ts'
import { reservationDifferences, serviceDifferences } from './service.ts'
import { deadlineMsOf, type VswitchStep } from './step.ts'
import { switchDifferences } from './switch.ts'

export interface PlanSettings extends ServiceSettings {
  /** `auto`: a bridge that stands keeps its datapath, a new one gets the kernel's where it has
   *  one. */
  readonly datapath: 'auto' | 'system' | 'netdev'
}

/** The steps from what stands to what should: removals first, so that names and addresses are free,
 *  then switches, ports and services. Empty when nothing differs. Pure. */
export function planVswitch(
  desired: VswitchDesired,
  observed: VswitchObserved,
  settings: PlanSettings,
): readonly VswitchStep[] {
  return [
    ...unplugSteps(desired, observed),
    ...withdrawSteps(desired, observed, settings),
    ...removeSwitchSteps(desired, observed),
    ...makeSwitchSteps(desired.switches, observed, settings),
    ...desired.ports.flatMap((port): VswitchStep[] => {
      const found = portDifferences(port, observed)
      if (found.length === 0) return []
      const vlan = port.vlan === 0 ? 'untagged' : `VLAN ${port.vlan}`
      const summary = `plug ${port.port} into ${port.switch}, ${vlan}: ${found.join(', ')}`
      return [{ ...lane('plug', summary), port }]
    }),
    ...serviceSteps(desired, observed, settings),
  ]
}

/** The fact that a running machine uses the NIC. */
export function inUseOf(port: string): Fact {
  return fact('nic', port, 'in-use')
}

function unplugSteps(desired: VswitchDesired, observed: VswitchObserved): VswitchStep[] {
  const kept = new Set(desired.ports.map((port) => `${port.port} ${port.devices.outer}`))
  const found = new Map<string, { port: string; key: string }>()
  const note = (device: string, port: string | undefined): void => {
    const key = /^(?:pbr|pin|pout)-([0-9a-f]{8})$/.exec(device)?.[1]
    if (key === undefined || port === undefined) return
    if (!kept.has(`${port} ${devicesOf(key).outer}`)) found.set(`${port} ${key}`, { port, key })
  }
  for (const link of observed.links.values()) note(link.name, nameOfAlias(PORT_MARK, link.alias))
  for (const port of observed.switchPorts.values()) note(port.name, port.externalIds[PORT_MARK])
  return [...found.values()].map(({ port, key }) => ({
    ...lane('unplug', `unplug ${port} (${key})`, [inUseOf(port)]),
    port,
    devices: devicesOf(key),
  }))
}

function withdrawSteps(
  desired: VswitchDesired,
  observed: VswitchObserved,
  settings: ServiceSettings,
): VswitchStep[] {
  const kept = new Set(
    desired.portGroups
      .filter((group) => serviceOf(group, settings) !== undefined)
      .map((group) => group.name),
  )
  const found = new Set([
    ...observed.services.keys(),
    ...[...observed.links.values()].map((link) => nameOfAlias(PORT_GROUP_MARK, link.alias)),
    ...[...observed.switchPorts.values()].map((port) => port.externalIds[PORT_GROUP_MARK]),
  ])
  return [...found].flatMap((portGroup) =>
    portGroup === undefined || kept.has(portGroup)
      ? []
      : [{ ...lane('withdraw', `stop serving port group ${portGroup} here`), portGroup }],
  )
}

function removeSwitchSteps(desired: VswitchDesired, observed: VswitchObserved): VswitchStep[] {
  const kept = new Set(desired.switches.map((wanted) => wanted.name))
  return [...observed.bridges.values()].flatMap((bridge) => {
    if (bridge.externalIds[SWITCH_MARK] === undefined || kept.has(bridge.name)) return []
    const forbids = [...observed.switchPorts.values()].flatMap((port) => {
      const owner = port.bridge === bridge.name ? port.externalIds[PORT_MARK] : undefined
      return owner === undefined ? [] : [inUseOf(owner)]
    })
    const summary = `remove switch ${bridge.name}`
    return [{ ...lane('remove-switch', summary, forbids), switch: bridge.name }]
  })
}

function makeSwitchSteps(
  switches: readonly SwitchDesired[],
  observed: VswitchObserved,
  settings: PlanSettings,
): VswitchStep[] {
  return switches.flatMap((wanted) => {
    const datapathType = datapathOf(wanted.name, observed, settings)
    const found = switchDifferences(wanted, datapathType, observed)
    if (found.length === 0) return []
    const summary = `make switch ${wanted.name}: ${found.join(', ')}`
    return [{ ...lane('make-switch', summary), switch: wanted, datapathType }]
  })
}

function serviceSteps(
  desired: VswitchDesired,
  observed: VswitchObserved,
  settings: ServiceSettings,
): VswitchStep[] {
  return desired.portGroups.flatMap((group): VswitchStep[] => {
    const service = serviceOf(group, settings)
    if (service === undefined) return []
    const found = serviceDifferences(service, observed)
    if (found.length > 0) {
      const summary = `serve port group ${group.name}: ${found.join(', ')}`
      return [{ ...lane('serve', summary), service }]
    }
    const untold = reservationDifferences(service, observed)
    if (untold.length === 0) return []
    const summary = `tell the service of port group ${group.name}: ${untold.join(', ')}`
    return [{ ...lane('reserve', summary), service }]
  })
}

function datapathOf(
  name: string,
  observed: VswitchObserved,
  settings: PlanSettings,
): 'system' | 'netdev' {
  if (settings.datapath !== 'auto') return settings.datapath
  const standing = observed.bridges.get(name)?.datapathType
  if (standing === 'netdev' || standing === 'system') return standing
  return observed.datapathType
}

/** The lane's part of a step. */
function lane<Kind extends VswitchStep['kind']>(
  kind: Kind,
  summary: string,
  forbids: readonly Fact[] = [],
): LaneStep & { readonly kind: Kind } {
  return { kind, summary, requires: [], forbids, deadlineMs: deadlineMsOf[kind] }
}
