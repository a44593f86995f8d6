import { serviceDevice } from '@purlin/schema'
import type { IsolationDesired, PortDesired, SwitchDesired, VswitchDesired } from '../desired.ts'
import { patchPorts } from '../names.ts'
import { uplinkDevices } from '../plan/bridges.ts'
import { burstKbitOf } from '../plan/limit.ts'
import type { FieldMatch, Flow, FlowAction, Meter, Pipeline } from './flow.ts'
import { gatewayFlows } from './gateway-flows.ts'
import { macValue, vlanMatch } from './match.ts'

const AFTER_UPLINK = 1
const NORMAL: Flow = {
  table: 0,
  priority: 0,
  match: [],
  actions: [{ do: 'normal' }],
  origin: 'switch/learn',
}

/** What a switch's own bridge does: it learns and forwards as a switch does, ports with a limit
 *  pass their meters first, and frames that isolated machines of other hosts sent come to no
 *  isolated port. Pure. */
export function switchPipeline(wanted: SwitchDesired, desired: VswitchDesired): Pipeline {
  const here = desired.ports.filter((port) => {
    return port.switch === wanted.name && port.path !== 'direct'
  })
  const metered = here.filter(({ qos }) => qos?.outbound !== undefined)
  return {
    bridge: wanted.name,
    lists: [
      [NORMAL],
      metered.map((port) => meteredFlow(port.devices.outer)),
      isolationFlows(wanted, here, desired),
      gatewayFlows(wanted.name, desired, entries(wanted)),
    ],
    meters: metered.flatMap((port) => meterOf(port, port.devices.outer)),
  }
}

/** The meter of what a port may send, by the device at which its frames come in. Pure. */
export function meterOf({ qos }: PortDesired, device: string): readonly Meter[] {
  if (qos?.outbound === undefined) return []
  const { kbitPerSecond } = qos.outbound
  return [{ port: device, kbitPerSecond, burstKbit: burstKbitOf(qos.outbound) }]
}

/** The meter comes by the pipeline, in which the port has one. */
function meteredFlow(port: string): Flow {
  const match: FieldMatch[] = [{ field: 'in_port', value: port }]
  return { table: 0, priority: 10, match, actions: [{ do: 'normal' }], origin: 'switch/metered' }
}

function isolationFlows(
  wanted: SwitchDesired,
  here: readonly PortDesired[],
  desired: VswitchDesired,
): readonly Flow[] {
  const isolations = (desired.isolation ?? []).filter((one) => one.switch === wanted.name)
  const flows = isolations.flatMap((one) => remoteFlows(wanted, one, here, desired))
  if (flows.length === 0) return []
  return [
    ...entries(wanted).map(
      (port): Flow => ({
        table: 0,
        priority: 10,
        match: [{ field: 'in_port', value: port }],
        actions: [{ do: 'go', table: AFTER_UPLINK }],
        origin: 'switch/uplink',
      }),
    ),
    { ...NORMAL, table: AFTER_UPLINK },
    ...flows,
  ]
}

/** The ports by which frames of other hosts come: members of bonds each for itself. */
function entries(wanted: SwitchDesired): readonly string[] {
  return wanted.overlay === undefined
    ? uplinkDevices(wanted)
    : [patchPorts('tunnels', wanted.name).onSwitch]
}

/** Frames of isolated machines elsewhere go to the ports of their network that are not isolated,
 *  each said by name: a switch that learns cannot be told to leave some out. */
function remoteFlows(
  wanted: SwitchDesired,
  { vlan, macs }: IsolationDesired,
  here: readonly PortDesired[],
  desired: VswitchDesired,
): readonly Flow[] {
  const own = here.filter((port) => port.vlan === vlan)
  // What a machine sends that is about to come still comes by the uplinks.
  const local = new Set(
    own.filter((port) => port.isolated === true && port.arriving !== true).map(({ mac }) => mac),
  )
  const open = own.filter(({ isolated }) => isolated !== true).map(({ devices }) => devices.outer)
  const services = desired.portGroups
    .filter((group) => group.switch === wanted.name && group.vlan === vlan && group.served)
    .map((group) => serviceDevice(group.name))
  const hasDirect = desired.ports.some(
    (port) => port.switch === wanted.name && port.path === 'direct',
  )
  const plain = [...open, ...services].map((port): FlowAction => ({ do: 'output', port }))
  const actions: readonly FlowAction[] = [
    ...(hasDirect
      ? [{ do: 'output', port: patchPorts('direct', wanted.name).onSwitch } as const]
      : []),
    ...(vlan === 0 || plain.length === 0 ? [] : [{ do: 'untag' } as const]),
    ...plain,
  ]
  return macs
    .filter((mac) => !local.has(mac))
    .map(
      (mac): Flow => ({
        table: AFTER_UPLINK,
        priority: 20,
        match: [vlanMatch(vlan), { field: 'dl_src', value: macValue(mac) }],
        actions: actions.length === 0 ? [{ do: 'drop' }] : actions,
        origin: 'switch/isolated',
      }),
    )
}
