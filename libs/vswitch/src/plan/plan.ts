import { type Fact, fact, type LaneStep } from '@purlin/base'
import { devicesOf } from '@purlin/schema'
import type { VswitchDesired } from '../desired.ts'
import { pipelineDigest } from '../flows/number.ts'
import { hasDirectPorts, pipelinesWanted, portNumbersOf } from '../flows/pipelines.ts'
import { kernelSteps } from '../inside/set-kernel.ts'
import {
  nameOfAlias,
  PART_MARK,
  PORT_GROUP_MARK,
  PORT_MARK,
  SWITCH_MARK,
  switchOfMark,
} from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import { routeSteps, unrouteSteps } from '../router/steps.ts'
import { type ServiceSettings, serviceOf } from '../services/service.ts'
import { withTrials } from '../uplinks/plan-trials.ts'
import type { TrialGrounds } from '../uplinks/trial.ts'
import { mirrorDifferences, mirrorsWanted } from './mirror.ts'
import { portDifferences } from './port.ts'
import { reservationDifferences, serviceDifferences } from './service.ts'
import { deadlineMsOf, type VswitchStep } from './step.ts'
import { switchDifferences } from './switch.ts'

export interface PlanSettings extends ServiceSettings {
  /** `auto`: a bridge that stands keeps its datapath, a new one gets the kernel's where it has
   *  one. */
  readonly datapath: 'auto' | 'system' | 'netdev'
  /** By which a change of uplinks is tried; absent: it simply holds. */
  readonly trial?: TrialGrounds
}

/** The steps from what stands to what should: removals first, so that names and addresses are free,
 *  then switches, ports, services and routers. Empty when nothing differs. Pure. */
export function planVswitch(
  wanted: VswitchDesired,
  observed: VswitchObserved,
  settings: PlanSettings,
): readonly VswitchStep[] {
  const { desired, notes } = withTrials(wanted, observed, settings.trial)
  const routers = desired.routers ?? []
  const services = serviceSteps(desired, observed, settings)
  const flows = flowSteps(desired, observed)
  return [
    ...kernelSteps(observed.kernel ?? []),
    ...unplugSteps(desired, observed),
    ...unrouteSteps(routers, observed),
    ...withdrawSteps(desired, observed, settings),
    ...removeSwitchSteps(desired, observed),
    ...notes.map((note): VswitchStep => {
      const summary = `note uplinks of switch ${note.switch}: ${note.record.state}`
      return { ...lane('note-uplinks', summary), ...note }
    }),
    ...makeSwitchSteps(desired, observed, settings),
    ...desired.ports.flatMap((port): VswitchStep[] => {
      const found = portDifferences(port, observed)
      if (found.length === 0) return []
      const vlan = port.vlan === 0 ? 'untagged' : `VLAN ${port.vlan}`
      const summary = `plug ${port.port} into ${port.switch}, ${vlan}: ${found.join(', ')}`
      return [{ ...lane('plug', summary), port }]
    }),
    ...earlyFlows(flows, services, desired),
    ...services,
    ...routeSteps(routers, observed, servedAnew(services)),
    ...mirrorSteps(desired, observed),
    ...flows,
  ]
}

/** The fact that a running machine uses the NIC. */
export function inUseOf(port: string): Fact {
  return fact('nic', port, 'in-use')
}

function unplugSteps(desired: VswitchDesired, observed: VswitchObserved): VswitchStep[] {
  const kept = new Set(
    desired.ports.flatMap(({ port, path, devices }) => {
      const { tap, bridge, inner, outer } = devices
      const names = path === 'direct' ? [tap] : [bridge, inner, outer]
      return names.map((name) => `${port} ${name}`)
    }),
  )
  const found = new Map<string, { port: string; key: string }>()
  const note = (device: string, port: string | undefined): void => {
    const key = /^(?:pbr|pin|pout|ptap)-([0-9a-f]{8})$/.exec(device)?.[1]
    if (key === undefined || port === undefined) return
    if (!kept.has(`${port} ${device}`)) found.set(`${port} ${key}`, { port, key })
  }
  for (const link of observed.links.values()) note(link.name, nameOfAlias(PORT_MARK, link.alias))
  for (const port of observed.switchPorts.values()) note(port.name, port.externalIds[PORT_MARK])
  return [...found.values()].map(({ port, key }) => ({
    ...lane('unplug', `unplug ${port} (${key})`, observed.unused?.has(key) ? [] : [inUseOf(port)]),
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
  const standing = new Map<string, Set<string>>()
  for (const { name, externalIds } of observed.bridges.values()) {
    const owner = externalIds[SWITCH_MARK] ?? switchOfMark(externalIds[PART_MARK])
    if (owner === undefined || kept.has(owner)) continue
    standing.set(owner, (standing.get(owner) ?? new Set()).add(name))
  }
  return [...standing].map(([owner, bridges]) => {
    const forbids = [...observed.switchPorts.values()].flatMap((port) => {
      const user = bridges.has(port.bridge) ? port.externalIds[PORT_MARK] : undefined
      return user === undefined ? [] : [inUseOf(user)]
    })
    return { ...lane('remove-switch', `remove switch ${owner}`, forbids), switch: owner }
  })
}

function makeSwitchSteps(
  desired: VswitchDesired,
  observed: VswitchObserved,
  settings: PlanSettings,
): VswitchStep[] {
  return desired.switches.flatMap((wanted) => {
    const datapathType = datapathOf(wanted.name, observed, settings)
    const direct = hasDirectPorts(wanted.name, desired)
    const found = switchDifferences(wanted, datapathType, observed, direct)
    if (found.length === 0) return []
    const summary = `make switch ${wanted.name}: ${found.join(', ')}`
    return [{ ...lane('make-switch', summary), switch: wanted, datapathType, direct }]
  })
}

function mirrorSteps(desired: VswitchDesired, observed: VswitchObserved): VswitchStep[] {
  return desired.switches.flatMap((wanted) => {
    const mirrors = mirrorsWanted(wanted.name, desired)
    const found = mirrorDifferences(wanted.name, mirrors, observed)
    if (found.length === 0) return []
    const summary = `mirror ports of switch ${wanted.name}: ${found.join(', ')}`
    return [{ ...lane('mirror', summary), switch: wanted.name, mirrors }]
  })
}

/** Flows come last: they name ports by the numbers that these have once they stand. */
function flowSteps(desired: VswitchDesired, observed: VswitchObserved): VswitchStep[] {
  return pipelinesWanted(desired).flatMap((pipeline) => {
    const { bridge } = pipeline
    const found = observed.pipelines.get(bridge)
    const same = found?.committed === pipelineDigest(pipeline, portNumbersOf(bridge, observed))
    if (same && found.intact) return []
    const why = same ? 'somebody changed them' : 'they are others'
    const reason = found?.committed === undefined ? 'none were committed' : why
    return [{ ...lane('commit-flows', `commit flows of ${bridge}: ${reason}`), pipeline }]
  })
}

/** Where there are other hosts, the flows that close a gateway's MAC in stand before the gateway
 *  says its first word; those that let it speak need its port and come last. */
function earlyFlows(
  flows: readonly VswitchStep[],
  services: readonly VswitchStep[],
  { host }: VswitchDesired,
): readonly VswitchStep[] {
  return host !== undefined && services.some(({ kind }) => kind === 'serve') ? flows : []
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

function servedAnew(steps: readonly VswitchStep[]): ReadonlySet<string> {
  return new Set(steps.flatMap((step) => (step.kind === 'serve' ? [step.service.portGroup] : [])))
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
function lane<Kind extends keyof typeof deadlineMsOf>(
  kind: Kind,
  summary: string,
  forbids: readonly Fact[] = [],
): LaneStep & { readonly kind: Kind } {
  return { kind, summary, requires: [], forbids, deadlineMs: deadlineMsOf[kind] }
}
