import type { SwitchDesired } from '../desired.ts'
import { PART_MARK, switchOfMark, UPLINK_MARK } from '../mark.ts'
import type { VswitchObserved } from '../observed.ts'
import { bridgesWanted } from './bridges.ts'
import { flowExportDifferences } from './flow-export.ts'
import { switchPortDifferences } from './port.ts'
import type { BridgeWanted } from './wanted.ts'

/** A port that belongs to the making of a switch and should not be there. */
export interface StrayPort {
  readonly port: string
  /** Mark by which it is ours. */
  readonly marks: Readonly<Record<string, string>>
}

/** Uplinks, tunnels and cables of the switch that stand and should not. Pure. */
export function strayPorts(
  wanted: SwitchDesired,
  bridges: readonly BridgeWanted[],
  observed: VswitchObserved,
): readonly StrayPort[] {
  const kept = new Set(bridges.flatMap(({ ports }) => [...ports.keys()]))
  return [...observed.switchPorts.values()].flatMap((port): StrayPort[] => {
    const part = port.externalIds[PART_MARK]
    const uplink = port.externalIds[UPLINK_MARK]
    if (kept.has(port.name)) return []
    if (uplink === wanted.name) return [{ port: port.name, marks: { [UPLINK_MARK]: uplink } }]
    if (part === undefined || switchOfMark(part) !== wanted.name) return []
    return [{ port: port.name, marks: { [PART_MARK]: part } }]
  })
}

/** Parts of the switch that stand and should not. Pure. */
export function strayParts(
  wanted: SwitchDesired,
  bridges: readonly BridgeWanted[],
  observed: VswitchObserved,
): readonly string[] {
  const kept = new Set(bridges.map(({ name }) => name))
  return [...observed.bridges.values()]
    .filter(({ name, externalIds }) => {
      return switchOfMark(externalIds[PART_MARK]) === wanted.name && !kept.has(name)
    })
    .map(({ name }) => name)
}

/** What of a switch does not stand as it should, in words; empty: all is well. Pure. */
export function switchDifferences(
  wanted: SwitchDesired,
  datapathType: string,
  observed: VswitchObserved,
  direct = false,
): readonly string[] {
  const bridges = bridgesWanted(wanted, direct)
  return [
    ...bridges.flatMap((bridge) => bridgeDifferences(bridge, wanted.name, datapathType, observed)),
    ...flowExportDifferences(wanted, observed),
    ...strayPorts(wanted, bridges, observed).map(
      ({ port }) => `${port} is no port of it any longer`,
    ),
    ...strayParts(wanted, bridges, observed).map((part) => `${part} is a part no longer`),
  ]
}

function bridgeDifferences(
  wanted: BridgeWanted,
  switchName: string,
  datapathType: string,
  observed: VswitchObserved,
): readonly string[] {
  const whose = wanted.name === switchName ? 'its' : `${wanted.name}:`
  const found = observed.bridges.get(wanted.name)
  if (found === undefined) {
    return [wanted.name === switchName ? 'it is missing' : `${wanted.name} is missing`]
  }
  const marked = Object.entries(wanted.marks).every(
    ([key, text]) => found.externalIds[key] === text,
  )
  const address = observed.links.get(wanted.name)?.addresses
  return [
    ...(marked ? [] : [wanted.name === switchName ? 'it has no mark of ours' : `${whose} no mark`]),
    ...(found.datapathType === datapathType ? [] : [`${whose} datapath is ${found.datapathType}`]),
    ...(found.failMode === wanted.failMode
      ? []
      : [`${whose} fail mode is ${found.failMode ?? 'unset'}`]),
    ...(found.mtuRequest === wanted.mtu ? [] : [`${whose} MTU is ${found.mtuRequest ?? 'unset'}`]),
    ...(wanted.address === undefined || address?.includes(wanted.address) === true
      ? []
      : [`${whose} address ${wanted.address} is missing`]),
    ...[...wanted.ports].flatMap(([name, port]) => switchPortDifferences(name, port, observed)),
  ]
}
