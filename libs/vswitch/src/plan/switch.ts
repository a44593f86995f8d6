import type { SwitchDesired } from '../desired.ts'
import { SWITCH_MARK, UPLINK_MARK } from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import { type SwitchPortWanted, switchPortDifferences } from './port.ts'

/** The port of an uplink: a trunk of every VLAN, marked with the switch's name. */
export function uplinkWanted(switchName: string): SwitchPortWanted {
  return {
    bridge: switchName,
    tag: undefined,
    trunks: [],
    externalIds: { [UPLINK_MARK]: switchName },
    interfaceIds: {},
  }
}

/** Uplinks that the switch has in the database and should not have. */
export function strayUplinks(wanted: SwitchDesired, observed: VswitchObserved): readonly string[] {
  return [...observed.switchPorts.values()]
    .filter((port) => port.externalIds[UPLINK_MARK] === wanted.name)
    .filter((port) => !wanted.uplinks.includes(port.name))
    .map((port) => port.name)
}

/** What of a switch does not stand as it should, in words; empty: all is well. Pure. */
export function switchDifferences(
  wanted: SwitchDesired,
  datapathType: string,
  observed: VswitchObserved,
): readonly string[] {
  const bridge = observed.bridges.get(wanted.name)
  if (bridge === undefined) return ['it is missing']
  return [
    ...(bridge.externalIds[SWITCH_MARK] === wanted.name ? [] : ['it has no mark of ours']),
    ...(bridge.datapathType === datapathType ? [] : [`its datapath is ${bridge.datapathType}`]),
    ...(bridge.failMode === 'standalone' ? [] : [`its fail mode is ${bridge.failMode ?? 'unset'}`]),
    ...(bridge.mtuRequest === wanted.mtu ? [] : [`its MTU is ${bridge.mtuRequest ?? 'unset'}`]),
    ...wanted.uplinks.flatMap((uplink) =>
      switchPortDifferences(uplink, uplinkWanted(wanted.name), observed),
    ),
    ...strayUplinks(wanted, observed).map((uplink) => `${uplink} is an uplink no longer`),
  ]
}
