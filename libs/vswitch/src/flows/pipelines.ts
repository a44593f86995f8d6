import type { VswitchDesired } from '../desired.ts'
import { partBridge } from '../names.ts'
import type { VswitchObserved } from '../observed.ts'
import type { Pipeline } from './flow.ts'
import type { PortNumbers } from './number.ts'
import { meterOf, switchPipeline } from './switch-flows.ts'
import { tunnelPipeline } from './tunnel-flows.ts'

/** The pipelines of all bridges of this host's switches. Pure. */
export function pipelinesWanted(desired: VswitchDesired): readonly Pipeline[] {
  return desired.switches.flatMap((wanted) => [
    switchPipeline(wanted, desired),
    ...(wanted.overlay === undefined ? [] : [tunnelPipeline(wanted.name, wanted.overlay)]),
    ...(hasDirectPorts(wanted.name, desired) ? [directPipeline(wanted.name, desired)] : []),
  ])
}

/** Whether this host has direct ports of the switch. Pure. */
export function hasDirectPorts(switchName: string, { ports }: VswitchDesired): boolean {
  return ports.some((port) => port.switch === switchName && port.path === 'direct')
}

/** Numbers of a bridge's open interfaces. Pure. */
export function portNumbersOf(
  bridge: string,
  { switchPorts }: Pick<VswitchObserved, 'switchPorts'>,
): PortNumbers {
  const numbers = new Map<string, number>()
  for (const port of switchPorts.values()) {
    if (port.bridge !== bridge) continue
    for (const { name, ofport } of port.interfaces) {
      if (ofport !== undefined && ofport > 0) numbers.set(name, ofport)
    }
  }
  return numbers
}

function directPipeline(switchName: string, { ports, directFlows }: VswitchDesired): Pipeline {
  const direct = ports.filter((port) => port.switch === switchName && port.path === 'direct')
  return {
    bridge: partBridge('direct', switchName),
    lists: [directFlows?.[switchName] ?? []],
    meters: direct.flatMap((port) => meterOf(port, port.devices.tap)),
  }
}
