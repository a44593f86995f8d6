import { PART_MARK, SWITCH_MARK, switchOfMark, UPLINK_MARK } from './mark.ts'
import type { InterfaceObserved, SwitchPortObserved, VswitchObserved } from './observed.ts'
import { trialsOf } from './uplinks/plan-trials.ts'

/** How a switch is seen on this host. */
export interface SwitchHealth {
  /** `system`: the kernel forwards; `netdev`: ovs-vswitchd itself does. */
  readonly datapath: string
  readonly uplinks: readonly UplinkHealth[]
  /** Flows on its bridges that are not Purlin's. */
  readonly foreignFlows: number
  /** A change of uplinks that waits for its confirmation, or that nobody confirmed. */
  readonly uplinkChange?: { readonly state: string; readonly deadlineMs?: number }
}

export interface UplinkHealth {
  readonly name: string
  /** `degraded`: a bond of which a member does not carry. */
  readonly state: 'up' | 'degraded' | 'down'
  /** Devices that do not carry frames now. */
  readonly down: readonly string[]
}

/** Every switch of this host by its name: how it forwards, which uplinks carry. Pure. */
export function switchHealth(observed: VswitchObserved): ReadonlyMap<string, SwitchHealth> {
  const trials = new Map(trialsOf(observed).map((trial) => [trial.switch, trial.record]))
  const found = new Map<string, SwitchHealth>()
  for (const { name, externalIds, datapathType } of observed.bridges.values()) {
    if (externalIds[SWITCH_MARK] !== name) continue
    const record = trials.get(name)
    const ports = [...observed.switchPorts.values()]
    found.set(name, {
      datapath: datapathType,
      uplinks: ports.filter((port) => port.externalIds[UPLINK_MARK] === name).map(uplinkHealth),
      foreignFlows: foreignFlowsOf(name, observed),
      ...(record !== undefined && {
        uplinkChange: {
          state: record.state,
          ...(record.deadlineMs !== undefined && { deadlineMs: record.deadlineMs }),
        },
      }),
    })
  }
  return found
}

function uplinkHealth({ name, interfaces }: SwitchPortObserved): UplinkHealth {
  const down = interfaces.filter((one) => !carries(one)).map((one) => one.name)
  const state = down.length === 0 ? 'up' : down.length === interfaces.length ? 'down' : 'degraded'
  return { name, state, down }
}

/** A member that LACP does not count in carries nothing, whatever its link says. */
function carries({ error, linkState, lacpCurrent }: InterfaceObserved): boolean {
  return error === undefined && linkState === 'up' && lacpCurrent !== false
}

/** The one flow that Open vSwitch gives a bridge by itself is replaced by ours. */
function foreignFlowsOf(name: string, { bridges, pipelines }: VswitchObserved): number {
  const own = [...bridges.values()].filter(
    (bridge) => bridge.name === name || switchOfMark(bridge.externalIds[PART_MARK]) === name,
  )
  return own.reduce((sum, bridge) => sum + (pipelines.get(bridge.name)?.foreignFlows ?? 0), 0)
}
